// The sample of an evaluation: texts drawn from a file, as many of every length.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace hindscan {

enum class TextStart : uint8_t { kSentence, kLine, kParagraph };
TextStart parse_text_start(const std::string& name);  // "sentence", "line", "paragraph"; Error(kUsage)

struct TextDraw {
  int64_t count = 30, shortest = 20, longest = 60;  // texts; tokens of a text
  TextStart start = TextStart::kSentence;           // where texts begin; each ends after a drawn number of tokens
  bool whole_lines = false;                         // instead: every line of the file is a text
  uint64_t seed = 0;
  std::string from = "eval";  // what messages call the file
};

struct EvalText {
  std::vector<int32_t> tokens;
  int64_t fixed = 0;  // tokens at its begin that the tokenizer added: they are no part of the text
  uint64_t at = 0;    // byte of the file where it begins
  size_t file = 0;    // which one, of several
};

inline constexpr int64_t kStrata = 4;  // equal ranges of lengths, with equally many texts as far as there are any

// How many of them are drawn from file `file` of `files`: equal shares, the first ones take what is left.
int64_t share_of(int64_t count, size_t file, size_t files);

// Texts that do not overlap, none across a special token such as the one between books. Error(kData) that says how many
// there are where they are fewer than draw.count.
std::vector<EvalText> draw_texts(const Model& model, std::string_view text, const TextDraw& draw);

}  // namespace hindscan
