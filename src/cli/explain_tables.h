// The tables of an explanation in the terminal.
#pragma once
#include <string>

#include "cli/explain_output.h"

namespace hindscan::cli {

std::string method_line(const ExplainReport& report, const MethodReport& method);  // what it shows, what was asked
std::string source_table(const ExplainReport& report, const MethodReport& method, const ExplainView& view);
std::string method_table(const ExplainReport& report);

}  // namespace hindscan::cli
