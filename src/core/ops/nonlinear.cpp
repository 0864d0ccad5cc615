// Roles activation and soft cap. Adjoint: the derivative, or the slope y / x held.
#include "core/context.h"

namespace hindscan {

using kernels::Act;
using kernels::ActRule;

Var Ctx::activation(Act kind, Var x) {
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
    kernels::act_forward(kind, n, data<R>(x), data<R>(out));
    record(Role::kActivation, {x}, out, {}, [=, this](const AdjointRules& rules) {
      const ActRule rule = rules.act == AdjointRules::Act::kFrozenSlope ? ActRule::kFrozenSlope : ActRule::kExact;
      kernels::act_backward(kind, rule, n, data<R>(x), grad<R>(out), grad<R>(x));
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
    record(Role::kSoftCap, {x}, out, {}, [=, this](const AdjointRules& rules) {
      const ActRule rule = rules.act == AdjointRules::Act::kFrozenSlope ? ActRule::kFrozenSlope : ActRule::kExact;
      const ArenaScope scope(scratch_);
      R* u = scratch_.array<R>(static_cast<size_t>(n));  // [T, C] x / cap
      for (int64_t i = 0; i < n; ++i) u[i] = xv[i] * inverse;
      kernels::act_backward(Act::kTanh, rule, n, u, grad<R>(out), grad<R>(x));
    });
  });
  return out;
}

}  // namespace hindscan
