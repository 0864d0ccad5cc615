// Ends of a pass: head and cross entropy fused over blocks of rows, so that [T, vocab] never exists; mean squared
// error.
#include "core/ops/losses.h"

#include <algorithm>

#include "core/ops/linear_product.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"

namespace hindscan::ops {

static void check_loss(const char* op, int64_t T, size_t targets, int64_t want, size_t weights, size_t losses) {
  check(static_cast<int64_t>(targets) == want && static_cast<int64_t>(losses) == T &&
            (weights == 0 || static_cast<int64_t>(weights) == T),
        ErrorCode::kUsage, "[{}] expected {} targets, {} weights and losses, found {}, {} and {}", op, want, T, targets,
        weights, losses);
}

template <class R>
static void multiply(int64_t n, R factor, R* x) {
  kernels::for_elements(n, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) x[i] *= factor;
  });
}

// Scale, bias and soft cap of W h, in place.
template <class R>
static void finish_logits(const LogitHead& head, int64_t n, int64_t V, R* logits) {
  if (head.scale != 1) multiply(n * V, static_cast<R>(head.scale), logits);
  if (head.bias != nullptr) kernels::add_bias(n, V, head.bias->as<R>(), logits);
  if (head.soft_cap <= 0) return;
  multiply(n * V, static_cast<R>(1 / head.soft_cap), logits);
  kernels::act_forward(kernels::Act::kTanh, n * V, logits, logits);
  multiply(n * V, static_cast<R>(head.soft_cap), logits);
}

// d (adjoint of the logits) becomes that of W h; capped: the logits, read with a soft cap; dbias or null.
template <class R>
static void unfinish_logits(const LogitHead& head, int64_t n, int64_t V, const R* capped, R* d, R* dbias) {
  if (head.soft_cap > 0) {
    const R inverse = static_cast<R>(1 / head.soft_cap);
    kernels::for_elements(n * V, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) d[i] *= 1 - capped[i] * inverse * (capped[i] * inverse);
    });
  }
  if (dbias != nullptr) kernels::sum_rows(n, V, d, dbias);
  if (head.scale != 1) multiply(n * V, static_cast<R>(head.scale), d);
}

void cross_entropy(Ctx& ctx, const LogitHead& logit_head, Var h, std::span<const int32_t> targets,
                   std::span<const float> weight, std::span<double> losses) {
  const Weight& head = *logit_head.weight;
  const int64_t T = ctx.rows(h), C = ctx.cols(h), V = head.rows();
  check_loss("cross_entropy", T, targets.size(), T, weight.size(), losses.size());
  check(logit_head.bias == nullptr || logit_head.bias->size() == V, ErrorCode::kData,
        "[cross_entropy] the bias of {} must be [{}]", head.name, V);
  for (int32_t id : targets) {
    check(id >= 0 && id < V, ErrorCode::kUsage, "[cross_entropy] target id {} is outside the vocabulary 0..{}", id,
          V - 1);
  }
  constexpr int64_t kRows = 512;
  ctx.with_real([&]<class R>(R) {
    const bool want_dw = ctx.options().record && ctx.options().grads != nullptr;
    R* dh = ctx.options().record ? ctx.grad<R>(h) : nullptr;
    R* dbias = want_dw && logit_head.bias != nullptr ? ctx.options().grads->of<R>(*logit_head.bias) : nullptr;
    for (int64_t t0 = 0; t0 < T; t0 += kRows) {
      const int64_t n = std::min(kRows, T - t0);
      const ArenaScope scope(ctx.scratch());
      R* logits = ctx.scratch().array<R>(static_cast<size_t>(n * V));  // [n, vocab]
      R* nats = ctx.scratch().array<R>(static_cast<size_t>(n));        // [n]
      R* scale = ctx.scratch().array<R>(static_cast<size_t>(n));       // [n]
      const bool apart = dh != nullptr && logit_head.soft_cap > 0;     // the cap's derivative reads the logits
      R* d = apart ? ctx.scratch().array<R>(static_cast<size_t>(n * V)) : logits;
      for (int64_t t = 0; t < n; ++t)
        scale[t] = weight.empty() ? R(1) : static_cast<R>(weight[static_cast<size_t>(t0 + t)]);
      linear_forward(ctx, head, 0, V, n, ctx.data<R>(h) + t0 * C, logits);
      finish_logits(logit_head, n, V, logits);
      kernels::cross_entropy(n, V, logits, targets.data() + t0, scale, nats, dh == nullptr ? nullptr : d);
      for (int64_t t = 0; t < n; ++t) losses[static_cast<size_t>(t0 + t)] = static_cast<double>(nats[t]);
      if (dh == nullptr) continue;
      unfinish_logits(logit_head, n, V, logits, d, dbias);
      linear_backward(ctx, head, 0, V, n, ctx.data<R>(h) + t0 * C, d, dh + t0 * C, R(1), want_dw);
    }
  });
}

void regression_loss(Ctx& ctx, Var h, std::span<const float> targets, std::span<const float> weight,
                     std::span<double> losses) {
  const int64_t T = ctx.rows(h), C = ctx.cols(h);
  check_loss("regression_loss", T, targets.size(), T * C, weight.size(), losses.size());
  ctx.with_real([&]<class R>(R) {
    const R* x = ctx.data<R>(h);
    R* dx = ctx.options().record ? ctx.grad<R>(h) : nullptr;
    for (int64_t t = 0; t < T; ++t) {
      double sum = 0;
      const double w = weight.empty() ? 1 : static_cast<double>(weight[static_cast<size_t>(t)]);
      for (int64_t i = t * C; i < (t + 1) * C; ++i) {
        const double gap = static_cast<double>(x[i]) - static_cast<double>(targets[static_cast<size_t>(i)]);
        sum += gap * gap;
        if (dx != nullptr) dx[i] += static_cast<R>(2 * w * gap / static_cast<double>(C));
      }
      losses[static_cast<size_t>(t)] = C > 0 ? sum / static_cast<double>(C) : 0;
    }
  });
}

}  // namespace hindscan::ops
