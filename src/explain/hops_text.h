// Steps back from an answer, as a table in plain words.
#pragma once
#include <string>

#include "explain/report.h"

namespace hindscan {

std::string hops_text(const ExplainReport& report);  // empty where one step was asked for

}  // namespace hindscan
