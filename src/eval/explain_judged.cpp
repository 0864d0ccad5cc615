#include "eval/explain_judged.h"

#include "eval/causal.h"
#include "explain/explain_plan.h"
#include "explain/usual_methods.h"

namespace hindscan {

ExplainReport explain_judged(const Model& model, ExplainRequest request) {
  if (auto possible = with_possible_methods(model, request)) request = *std::move(possible);
  JoinedProgress progress(request.progress, "explain", "tokens", static_cast<uint64_t>(explain_tokens(model, request)));
  request.progress = &progress;
  request.on_estimate = [&progress, tell = std::move(request.on_estimate)](const ExplainEstimate& e) {
    const double check = e.seconds > 0 ? e.causal_seconds / e.seconds : 0;
    progress.set_shares({1 - check, check});
    if (tell) tell(e);
  };
  ExplainReport report = explain(model, request);
  if (any_targeted(request.methods)) add_causal(model, request, report);
  return report;
}

}  // namespace hindscan
