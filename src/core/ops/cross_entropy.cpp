// The language-model end: head and cross entropy fused over blocks of rows, so that [T, vocab] never exists.
#include <algorithm>

#include "core/context.h"
#include "kernels/gemm.h"

namespace hindscan {

void Ctx::cross_entropy(const LogitHead& logit_head, Var h, std::span<const int32_t> targets, std::span<const float> weight, std::span<double> losses) {
  const Weight& head = *logit_head.weight;
  const int64_t T = rows(h), C = cols(h), V = head.rows();
  check(static_cast<int64_t>(targets.size()) == T && static_cast<int64_t>(losses.size()) == T &&
            (weight.empty() || static_cast<int64_t>(weight.size()) == T),
        ErrorCode::kUsage, "[cross_entropy] expected {} targets, weights and losses, found {}, {} and {}", T, targets.size(), weight.size(),
        losses.size());
  for (int32_t id : targets) {
    check(id >= 0 && id < V, ErrorCode::kUsage, "[cross_entropy] target id {} is outside the vocabulary 0..{}", id, V - 1);
  }
  constexpr int64_t kRows = 512;
  with_real([&]<class R>(R) {
    const bool want_dw = options_.record && options_.grads != nullptr;
    R* dh = options_.record ? grad<R>(h) : nullptr;
    for (int64_t t0 = 0; t0 < T; t0 += kRows) {
      const int64_t n = std::min(kRows, T - t0);
      const ArenaScope scope(scratch_);
      R* logits = scratch_.array<R>(static_cast<size_t>(n * V));  // [n, vocab]
      R* nats = scratch_.array<R>(static_cast<size_t>(n));        // [n]
      R* scale = scratch_.array<R>(static_cast<size_t>(n));       // [n]
      for (int64_t t = 0; t < n; ++t) scale[t] = weight.empty() ? R(1) : static_cast<R>(weight[static_cast<size_t>(t0 + t)]);
      linear_forward(head, 0, V, n, data<R>(h) + t0 * C, logits);
      kernels::cross_entropy(n, V, logits, targets.data() + t0, scale, nats, dh == nullptr ? nullptr : logits);
      for (int64_t t = 0; t < n; ++t) losses[static_cast<size_t>(t0 + t)] = static_cast<double>(nats[t]);
      if (dh != nullptr) linear_backward(head, 0, V, n, data<R>(h) + t0 * C, logits, dh + t0 * C, R(1), want_dw);
    }
  });
}

}  // namespace hindscan
