// What the numbers of a method mean, in words that terminal, page and pictures share.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "explain/pieces.h"

namespace hindscan {

// Of scores above and below zero: "raise the target", "lower it".
struct SignWords {
  std::string up, down;
};
SignWords sign_words(const ExplainReport& report, const MethodReport& method);

std::string target_words(const ExplainReport& report);  // `the preference for "door" over "window"`

// A value of the target, in as many figures as tell small ones from nothing: "2.80", "0.00041".
std::string value_words(double value);

// Whether the target is how much likelier one answer is than another, on a scale where each 0.69 is a factor of two.
bool is_preference(const ExplainReport& report);

// Behind a value of the target: " bits"; nothing where it has no unit of its own.
std::string value_unit(const ExplainReport& report);

// Which of the two answers is ahead, and by how much.
struct Lead {
  std::string ahead, behind;  // the answers, between marks
  std::string times;          // "16 times as likely", "just as likely", "over a billion times as likely"
  std::string sentence() const;
};
Lead lead_at(const ExplainReport& report, double value, bool about = false);  // where the target has this value

// Whether the target is the logarithm of a probability: what an edit does to it is a factor.
bool is_log_p(const ExplainReport& report);
// "76 %", "0.3 %", "1 in 40000".
std::string probability_words(double p);
// "3.2 times", "16 thousand times": exp(|change|) of a logarithm; "just" where that is next to one.
std::string factor_words(double change);
// What becomes of a probability whose logarithm falls by this: "16 times less likely", "hardly more likely".
std::string change_words(double lost);

// What was asked of the model where the scores are effects of edits; else nothing.
std::string asked_words(const ExplainReport& report, const MethodReport& method);

// The tokens of the text that were edited together, as [first, last).
std::vector<std::pair<int64_t, int64_t>> edited_spans(const ExplainReport& report, const MethodReport& method);

// How a piece's score came about: "run", "estimate", "-" where nothing was asked, "sum" of several edits, "part" of a
// larger one. Nothing where the scores are no effects of edits.
std::string found_words(const MethodReport& method, const Piece& piece);

// The edits that were asked for, and those that were really run.
struct FoundCounts {
  int64_t asked = 0, measured = 0;
};
FoundCounts found_counts(const ExplainReport& report, const MethodReport& method);

// Whether pieces are told so ("sum", "part").
bool tells(const ExplainReport& report, const MethodReport& method, PieceBy by, std::string_view found);

}  // namespace hindscan
