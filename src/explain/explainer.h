// One explanation as the walk makes it: the way forward, the way back, what methods ask for beside them.
#pragma once
#include "explain/explain_plan.h"
#include "explain/report.h"

namespace hindscan {

// In the model's compute type, by a plan that fits. target: which token of the request. The report's tokens and its
// time are added by explain().
ExplainReport run_explainer(const Model& model, const ExplainRequest& request, const ExplainPlan& plan, int64_t target);

}  // namespace hindscan
