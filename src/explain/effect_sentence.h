// What taking tokens away did to the target, in plain words.
#pragma once
#include <string>

#include "explain/report.h"

namespace hindscan {

// Of a method whose scores are effects of edits (effect_of): the tokens that mattered most, each edited on its own, in
// the target's unit, and which of these edits were really run.
std::string effect_sentence(const ExplainReport& report, const MethodReport& method);

}  // namespace hindscan
