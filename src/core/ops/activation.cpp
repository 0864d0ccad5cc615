// Roles activation and soft cap. Adjoint: the derivative, or the slope y / x held, or every element keeps its
// relevance.
#include "core/ops/activation.h"

#include "core/ops/relevance.h"

namespace hindscan::ops {

using kernels::Act;
using kernels::ActRule;

static ActRule kernel_rule(const LocalRule& rule) { return rule.coefficient ? ActRule::kExact : ActRule::kFrozenSlope; }

Var activation(Ctx& ctx, Act kind, Var x) {
  const int64_t n = ctx.rows(x) * ctx.cols(x);
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    kernels::act_forward(kind, n, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kActivation, {x}, out, {}, kind)) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (rule.relevance)
        return keep_relevance(n, rule.epsilon, ctx.data<R>(x), ctx.data<R>(out), ctx.grad<R>(out), ctx.grad<R>(x));
      kernels::act_backward(kind, kernel_rule(rule), n, ctx.data<R>(x), ctx.grad<R>(out), ctx.grad<R>(x));
    });
  });
  return out;
}

Var soft_cap(Ctx& ctx, double cap, Var x) {
  check(cap > 0, ErrorCode::kData, "[soft_cap] expected a positive cap, found {}", cap);
  const int64_t n = ctx.rows(x) * ctx.cols(x);
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const R c = static_cast<R>(cap), inverse = static_cast<R>(1 / cap);
    const R* xv = ctx.data<R>(x);
    R* y = ctx.data<R>(out);
    for (int64_t i = 0; i < n; ++i) y[i] = xv[i] * inverse;
    kernels::act_forward(Act::kTanh, n, y, y);
    for (int64_t i = 0; i < n; ++i) y[i] *= c;
    if (!ctx.record(Role::kSoftCap, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (rule.relevance) return keep_relevance(n, rule.epsilon, xv, y, ctx.grad<R>(out), ctx.grad<R>(x));
      const ArenaScope scope(ctx.scratch());
      R* u = ctx.scratch().array<R>(static_cast<size_t>(n));  // [T, C] x / cap
      for (int64_t i = 0; i < n; ++i) u[i] = xv[i] * inverse;
      kernels::act_backward(Act::kTanh, kernel_rule(rule), n, u, ctx.grad<R>(out), ctx.grad<R>(x));
    });
  });
  return out;
}

}  // namespace hindscan::ops
