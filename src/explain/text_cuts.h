// Where a text may be cut into characters, words, sentences and paragraphs, told by the tokens that it is made of.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/pieces.h"

namespace hindscan {

// Whether a line may end between two texts: beside spaces, and anywhere in scripts that set none.
bool may_break(std::string_view left, std::string_view right);

class TextCuts {
 public:
  // Tokens [begin, end); below they count from 0.
  TextCuts(std::span<const TokenReport> tokens, int64_t begin, int64_t end);

  // What tokens [first, last) say.
  std::string_view between(size_t first, size_t last) const {
    return std::string_view(text_).substr(starts_[first], starts_[last] - starts_[first]);
  }
  // Whether a piece that began with token `first` goes on with token t.
  bool joins(size_t first, size_t t, PieceBy by) const;

 private:
  void find_characters();
  uint32_t after(size_t pos) const;
  uint32_t before(size_t pos, size_t* start = nullptr) const;
  bool empty(size_t token) const { return starts_[token] == starts_[token + 1]; }
  bool same_word(size_t at) const;
  bool begins_sentence(size_t at) const;
  bool begins_paragraph(size_t at) const;
  bool behind_blank_line(size_t at) const;
  bool begins_blank_line(size_t at) const;
  bool goes_on(size_t pos) const;
  bool is_title(size_t dot) const;

  std::string text_;
  std::vector<size_t> starts_;       // of each token, and the end
  std::vector<size_t> spaces_from_;  // by token: only spaces stand from here to its start
  std::vector<size_t> blanks_from_;  // the same of spaces and ends of lines
  std::vector<bool> cut_;            // by byte: a character begins here
  bool blank_lines_ = false;         // paragraphs end with one
};

}  // namespace hindscan
