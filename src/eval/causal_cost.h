// What an evaluation will take, from a pass over one text that is timed.
#pragma once
#include "eval/causal_table.h"

namespace hindscan {

// longest: the request about the longest of the texts; most: tokens a pass.
CausalCost causal_cost(const Model& model, std::span<const EvalText> texts, const CausalOptions& options,
                       const ExplainRequest& longest, int64_t most);

}  // namespace hindscan
