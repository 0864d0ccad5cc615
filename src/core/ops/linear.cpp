// Role linear: y = x W^T + b. Adjoint: dx = dy W, dW = dy^T x; or the relevance is shared among the inputs.
#include "core/ops/linear.h"

#include "core/ops/linear_product.h"
#include "core/ops/op_support.h"
#include "core/ops/relevance.h"

namespace hindscan::ops {

Var linear(Ctx& ctx, const Weight& w, const Weight* bias, Var x) { return linear_rows(ctx, w, bias, x, 0, w.rows()); }

Var linear_rows(Ctx& ctx, const Weight& w, const Weight* bias, Var x, int64_t first, int64_t count) {
  check(ctx.cols(x) == w.cols(), ErrorCode::kData, "[linear] {} must be [out, {}] but is [{}]", w.name, ctx.cols(x),
        fmt::join(w.shape, ", "));
  const int64_t M = ctx.rows(x);
  const Var out = ctx.make_like(x, count);  // [T, count]
  ctx.with_real([&]<class R>(R) {
    linear_forward(ctx, w, first, count, M, ctx.data<R>(x), ctx.data<R>(out));
    if (bias != nullptr) kernels::add_bias(M, count, bias->as<R>() + first, ctx.data<R>(out));
    if (!ctx.record(Role::kLinear, {x}, out, {&w, bias})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      if (rule.relevance) {
        const ArenaScope scope(ctx.scratch());
        const R* wv = weight_part<R>(w, first * w.cols(), count * w.cols(), ctx.scratch());
        const R* b = bias == nullptr ? nullptr : bias->as<R>() + first;
        ctx.bias_share += share_relevance(dense_map(M, w.cols(), count, wv, b), rule, ctx.data<R>(x), ctx.data<R>(out),
                                          ctx.grad<R>(out), ctx.scratch(), ctx.grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = ctx.grad_target<R>(x, &accumulate);
      linear_backward(ctx, w, first, count, M, ctx.data<R>(x), ctx.grad<R>(out), dx, R(accumulate ? 1 : 0),
                      rule.weights);
      if (bias != nullptr) bias_backward(ctx, *bias, first, M, count, ctx.grad<R>(out), rule);
    });
  });
  return out;
}

}  // namespace hindscan::ops
