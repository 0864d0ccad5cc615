// From an answer back to what it came from, over the answers of the model's own that lie between.
#pragma once
#include "explain/report.h"

namespace hindscan {

// request.hops steps back from the report's target, breadth first; an answer is explained once.
std::vector<Hop> explain_hops(const Model& model, const ExplainRequest& request, const ExplainReport& report);

}  // namespace hindscan
