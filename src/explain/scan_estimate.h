// What a counterfactual scan of a request takes.
#pragma once
#include "explain/explain_plan.h"

namespace hindscan {

// From the seconds of a token in a recorded pass alone.
ScanSeconds guess_scan(const Model& model, const ExplainRequest& r, int64_t target, const MethodSpec& scan,
                       double token);
// From scans of parts of the request, timed on this machine.
ScanSeconds time_scan(const Model& model, const ExplainRequest& r, int64_t target, const ExplainPlan& plan,
                      const MethodSpec& scan);
inline constexpr int64_t kFirstScanned = 64;  // tokens of the first part, at least

}  // namespace hindscan
