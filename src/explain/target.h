// The number that is explained: a logit of one position, by default against the runner-up.
#pragma once
#include <span>
#include <vector>

#include "explain/report.h"

namespace hindscan {

// Row of a matrix of any storage type, in double.
std::vector<double> weight_row(const Weight& w, int64_t row);
// The table that a recorded pass looked its tokens up in; null where it read features.
const Weight* embedding_table(const Ctx& ctx);

// h: what the head reads at the target ([d_model], compute type). Fills ids, logits and the probability.
template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, const R* h);
// Adjoint of h for that target, [d_model]: of its value, or with the slope of a soft cap held.
std::vector<double> target_seed(const Model& model, const TargetReport& target, bool frozen = false);
// The same target for another h: its logits, before and behind the soft cap.
TargetReport target_at(const Model& model, TargetReport target, const std::vector<double>& h);
// The target's value for another h.
double target_value(const Model& model, const TargetReport& target, const std::vector<double>& h);
// The same at the end of each sequence of a pass; h: what the head reads of it.
std::vector<double> target_values(const Model& model, const TargetReport& target, const Ctx& ctx, Var h);
// And the logarithm of the probability of target.id, nats.
std::vector<double> target_log_ps(const Model& model, const TargetReport& target, const Ctx& ctx, Var h);

}  // namespace hindscan
