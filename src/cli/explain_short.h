// What a person sees first of an explanation: a sentence, the text, the words that mattered, how far to trust it.
#pragma once
#include <string>

#include "cli/explain_output.h"

namespace hindscan::cli {

std::string explain_short(const ExplainReport& report, const MethodReport& method, const ExplainView& view);

}  // namespace hindscan::cli
