// Ends of a pass. Losses in nats per position, never [T, vocab] at once; weight[t] multiplies the adjoint of loss t (0:
// masked). With record, the adjoint of h (and of head, with grads) is accumulated at once: call backward() afterwards.
#pragma once
#include "core/context.h"

namespace hindscan {

// logits = soft_cap tanh((scale (W h) + bias) / soft_cap), soft_cap 0: none.
struct LogitHead {
  const Weight* weight;          // [vocab or labels, d]
  const Weight* bias = nullptr;  // [vocab or labels]
  double scale = 1;
  double soft_cap = 0;
  LogitHead(const Weight& w) : weight(&w) {}  // NOLINT(google-explicit-constructor): a plain head is the common case
};

namespace ops {

void cross_entropy(Ctx& ctx, const LogitHead& head, Var h, std::span<const int32_t> targets,
                   std::span<const float> weight, std::span<double> losses);
// Mean squared error per row against targets [rows, C of h]; record as in cross_entropy.
void regression_loss(Ctx& ctx, Var h, std::span<const float> targets, std::span<const float> weight,
                     std::span<double> losses);

}  // namespace ops
}  // namespace hindscan
