// Role linear, other layouts of the weight: [in, out], block-diagonal over heads, one of several experts. Adjoint: dx =
// dy W^T, dW = x^T dy, biases add to bias_share; or the relevance is shared among the inputs.
#include "core/ops/linear.h"
#include "core/ops/linear_product.h"
#include "core/ops/op_support.h"
#include "core/ops/relevance.h"

namespace hindscan::ops {

Var linear_in(Ctx& ctx, const Weight& w, Var x) {
  return linear_in(ctx, w, x, 0, w.shape.empty() ? 0 : w.size() / std::max<int64_t>(1, w.shape.back()));
}

// w [.., out] read as rows of out numbers; x meets rows first .. first + count.
Var linear_in(Ctx& ctx, const Weight& w, Var x, int64_t first, int64_t count) {
  const int64_t M = ctx.rows(x), N = w.shape.empty() ? 0 : w.shape.back();
  check(N > 0 && ctx.cols(x) == count && first >= 0 && (first + count) * N <= w.size(), ErrorCode::kData,
        "[linear_in] {} must be [in >= {}, out] for {} channels but is [{}]", w.name, first + count, ctx.cols(x),
        fmt::join(w.shape, ", "));
  const Var out = ctx.make_like(x, N);  // [T, out]
  ctx.with_real([&]<class R>(R) {
    const ArenaScope scope(ctx.scratch());
    kernels::gemm({M, N, count, false, false}, ctx.data<R>(x), count,
                  weight_part<R>(w, first * N, count * N, ctx.scratch()), N, R(0), ctx.data<R>(out), N);
    if (!ctx.record(Role::kLinear, {x}, out, {&w})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      const ArenaScope inner(ctx.scratch());
      const R *values = weight_part<R>(w, first * N, count * N, ctx.scratch()), *dy = ctx.grad<R>(out);
      if (rule.relevance) {
        const R* no_bias = nullptr;
        share_relevance(block_map(M, 1, count, N, values, no_bias), rule, ctx.data<R>(x), ctx.data<R>(out), dy,
                        ctx.scratch(), ctx.grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = ctx.grad_target<R>(x, &accumulate);
      kernels::gemm({M, count, N, false, true}, dy, N, values, N, R(accumulate ? 1 : 0), dx, count);
      if (rule.weights)
        kernels::gemm({count, N, M, true, false}, ctx.data<R>(x), count, dy, N, R(1),
                      ctx.options().grads->of<R>(w) + first * N, N);
    });
  });
  return out;
}

Var block_linear(Ctx& ctx, const Weight& w, const Weight* bias, Var x) {
  check(w.shape.size() == 3, ErrorCode::kData, "[block_linear] {} must be [heads, in, out] but is [{}]", w.name,
        fmt::join(w.shape, ", "));
  const int64_t M = ctx.rows(x), H = w.shape[0], K = w.shape[1], N = w.shape[2];
  check(ctx.cols(x) == H * K && (bias == nullptr || bias->size() == H * N), ErrorCode::kData,
        "[block_linear] {} [{}] does not fit {} channels and its bias", w.name, fmt::join(w.shape, ", "), ctx.cols(x));
  const Var out = ctx.make_like(x, H * N);  // [T, H*out]
  ctx.with_real([&]<class R>(R) {
    const ArenaScope scope(ctx.scratch());
    const R* wv = weight_part<R>(w, 0, w.size(), ctx.scratch());
    for (int64_t h = 0; h < H; ++h) {
      kernels::gemm({M, N, K, false, false}, ctx.data<R>(x) + h * K, H * K, wv + h * K * N, N, R(0),
                    ctx.data<R>(out) + h * N, H * N);
    }
    if (bias != nullptr) kernels::add_bias(M, H * N, bias->as<R>(), ctx.data<R>(out));
    if (!ctx.record(Role::kLinear, {x}, out, {&w, bias})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      const ArenaScope inner(ctx.scratch());
      const R *values = weight_part<R>(w, 0, w.size(), ctx.scratch()), *dy = ctx.grad<R>(out), *xv = ctx.data<R>(x);
      if (rule.relevance) {
        const R* b = bias == nullptr ? nullptr : bias->as<R>();
        ctx.bias_share += share_relevance(block_map(M, H, K, N, values, b), rule, xv, ctx.data<R>(out), dy,
                                          ctx.scratch(), ctx.grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = ctx.grad_target<R>(x, &accumulate);
      R* dw = rule.weights ? ctx.options().grads->of<R>(w) : nullptr;
      for (int64_t h = 0; h < H; ++h) {
        kernels::gemm({M, K, N, false, true}, dy + h * N, H * N, values + h * K * N, N, R(accumulate ? 1 : 0),
                      dx + h * K, H * K);
        if (dw != nullptr)
          kernels::gemm({K, N, M, true, false}, xv + h * K, H * K, dy + h * N, H * N, R(1), dw + h * K * N, N);
      }
      if (bias != nullptr) bias_backward(ctx, *bias, 0, M, H * N, dy, rule);
    });
  });
  return out;
}

Var expert_linear(Ctx& ctx, const Weight& w, const Weight* bias, int64_t expert, Var x) {
  check(w.shape.size() == 3 && expert >= 0 && expert < w.shape[0] && w.shape[2] == ctx.cols(x), ErrorCode::kData,
        "[expert_linear] {} must be [experts > {}, out, {}] but is [{}]", w.name, expert, ctx.cols(x),
        fmt::join(w.shape, ", "));
  const int64_t M = ctx.rows(x), N = w.shape[1], K = w.shape[2], first = expert * N * K;
  check(bias == nullptr || bias->size() == w.shape[0] * N, ErrorCode::kData,
        "[expert_linear] the bias of {} must be [{}, {}]", w.name, w.shape[0], N);
  const Var out = ctx.make_like(x, N);  // [rows, out]
  ctx.with_real([&]<class R>(R) {
    kernels::linear(M, N, K, ctx.data<R>(x),
                    static_cast<const char*>(w.data) + static_cast<size_t>(first) * dtype_size(w.dtype), w.dtype,
                    ctx.data<R>(out));
    if (bias != nullptr) kernels::add_bias(M, N, bias->as<R>() + expert * N, ctx.data<R>(out));
    if (!ctx.record(Role::kLinear, {x}, out, {&w, bias})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      const ArenaScope inner(ctx.scratch());
      const R *values = weight_part<R>(w, first, N * K, ctx.scratch()), *dy = ctx.grad<R>(out);
      if (rule.relevance) {
        const R* b = bias == nullptr ? nullptr : bias->as<R>() + expert * N;
        ctx.bias_share += share_relevance(dense_map(M, K, N, values, b), rule, ctx.data<R>(x), ctx.data<R>(out), dy,
                                          ctx.scratch(), ctx.grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = ctx.grad_target<R>(x, &accumulate);
      kernels::gemm({M, K, N, false, false}, dy, N, values, K, R(accumulate ? 1 : 0), dx, K);
      if (rule.weights)
        kernels::gemm({N, K, M, true, false}, dy, N, ctx.data<R>(x), K, R(1), ctx.options().grads->of<R>(w) + first, K);
      if (bias != nullptr) bias_backward(ctx, *bias, expert * N, M, N, dy, rule);
    });
  });
  return out;
}

}  // namespace hindscan::ops
