// The number that is explained: what a measure makes of the logits at one position, or of those of a continuation.
#pragma once
#include <span>
#include <vector>

#include "explain/report.h"
#include "explain/target_head.h"

namespace hindscan {

// The table that a recorded pass looked its tokens up in; null where it read features.
const Weight* embedding_table(const Ctx& ctx);

// An answer of several tokens has as many places: the rows of h from which the head reads them, the target's the last.
// h: what the head reads there ([places, d_model], compute type). Fills ids, logits and the probability.
template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, std::span<const R> h);
// Adjoint of h for that target, [places, d_model]: of its value, or with the slope of a soft cap held.
std::vector<double> target_seed(const Model& model, const TargetReport& target, bool frozen = false);
// The same target for another h: its logits, before and behind the soft cap.
TargetReport target_at(const Model& model, TargetReport target, std::span<const double> h);
// The target's value for another h.
double target_value(const Model& model, const TargetReport& target, std::span<const double> h);
// The same from the last rows of each sequence of a pass; h: what the head reads of it.
std::vector<double> target_values(const Model& model, const TargetReport& target, const Ctx& ctx, Var h);
// The logarithm of the probability of the same answer, nats.
TargetReport log_p_of(TargetReport target);
// The same answer against another token.
TargetReport against(TargetReport target, int32_t foil);

}  // namespace hindscan
