// What the model's answer at every position of a short text loses without each word before it, all of it really run.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "hindscan/request.h"

namespace hindscan {

class Session;

struct EffectsOptions {
  std::string by = {};        // what is taken out and asked for: token, word, sentence, paragraph; empty: words, if any
  int64_t max_tokens = 2048;  // a longer text is refused with an estimate: the cost grows with the square of the tokens
  int64_t mem_limit = 0;      // bytes; 0: what the machine has available. Error(kResource) with an estimate
  const Session* after = nullptr;
  const Cancel* cancel = nullptr;
  OnProgress on_progress = nullptr;
};

// Row t asks for word t + 1, the last row for what the model itself takes to be most likely behind the text; column j
// is the text without word j. Later words keep their positions, so that a gap is left.
struct Effects {
  struct Piece {
    int64_t first = 0, last = 0;  // tokens [first, last)
    std::string text;
  };
  std::string by;                // token, word, sentence, paragraph
  std::vector<Piece> taken_out;  // [n]
  std::vector<Piece> asked;      // [n]; the last one is no part of the text
  std::vector<double> log_p;     // [n] of what is asked, with the whole text, nats
  std::vector<double> lost;      // [n, n] log_p less what it is without the column's word; 0 where nothing was asked
  std::string sentence;          // in plain words

  int64_t size() const { return static_cast<int64_t>(taken_out.size()); }
  double at(int64_t row, int64_t col) const { return lost[static_cast<size_t>(row * size() + col)]; }
  // Not of words that come later; nor of the second without the first, where no token of the tokenizer's stands before.
  bool asked_of(int64_t row, int64_t col) const { return col <= row && (row > 0 || taken_out.front().first > 0); }
};

}  // namespace hindscan
