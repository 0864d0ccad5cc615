// What the effects at every position of a text come to, in words for people.
#pragma once
#include <string>
#include <vector>

#include "explain/position_effects.h"

namespace hindscan {

// Of a piece as it is named: `"shook"`, with its number where the text has it several times, or always of tokens.
std::string piece_name(const PositionEffects& effects, int64_t piece);
std::string answer_name(const PositionEffects& effects, int64_t row);
int64_t piece_number(const PositionEffects& effects, int64_t piece);  // of words the first is 0; of tokens where it is

struct PositionEffect {
  int64_t row = 0, col = 0;
  double lost = 0;
};
// The largest first, at most `count`, of words that do not stand right before what they matter for.
std::vector<PositionEffect> strongest_further_back(const PositionEffects& effects, size_t count);

// Which word mattered most for which, and that all of it was run.
std::string effects_sentence(const PositionEffects& effects);

}  // namespace hindscan
