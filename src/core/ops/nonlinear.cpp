// Roles activation and soft cap. Adjoint: the derivative, or the slope y / x held, or every element keeps its
// relevance.
#include "core/context.h"
#include "core/ops/relevance.h"

namespace hindscan {

using kernels::Act;
using kernels::ActRule;

static ActRule kernel_rule(const LocalRule& rule) { return rule.coefficient ? ActRule::kExact : ActRule::kFrozenSlope; }

Var Ctx::activation(Act kind, Var x) {
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
    kernels::act_forward(kind, n, data<R>(x), data<R>(out));
    if (!record(Role::kActivation, {x}, out, {}, kind)) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (rule.relevance) return keep_relevance(n, rule.epsilon, data<R>(x), data<R>(out), grad<R>(out), grad<R>(x));
      kernels::act_backward(kind, kernel_rule(rule), n, data<R>(x), grad<R>(out), grad<R>(x));
    });
  });
  return out;
}

Var Ctx::soft_cap(double cap, Var x) {
  check(cap > 0, ErrorCode::kData, "[soft_cap] expected a positive cap, found {}", cap);
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
    const R c = static_cast<R>(cap), inverse = static_cast<R>(1 / cap);
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (int64_t i = 0; i < n; ++i) y[i] = xv[i] * inverse;
    kernels::act_forward(Act::kTanh, n, y, y);
    for (int64_t i = 0; i < n; ++i) y[i] *= c;
    if (!record(Role::kSoftCap, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (rule.relevance) return keep_relevance(n, rule.epsilon, xv, y, grad<R>(out), grad<R>(x));
      const ArenaScope scope(scratch_);
      R* u = scratch_.array<R>(static_cast<size_t>(n));  // [T, C] x / cap
      for (int64_t i = 0; i < n; ++i) u[i] = xv[i] * inverse;
      kernels::act_backward(Act::kTanh, kernel_rule(rule), n, u, grad<R>(out), grad<R>(x));
    });
  });
  return out;
}

}  // namespace hindscan
