// One explanation in plain words, before the tables.
#pragma once
#include <string>

#include "explain/pieces.h"

namespace hindscan {

// What was predicted and which words mattered most, by the scores of one method (sentences, where those are shown).
std::string explain_sentence(const ExplainReport& report, const MethodReport& method, PieceBy by);

}  // namespace hindscan
