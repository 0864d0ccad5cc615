// Roles activation, gate, decay, norm: where the rules of an explanation differ from the exact adjoint.
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

Var Ctx::gate(Var signal, Var gate) {
  const int64_t n = rows(signal) * cols(signal);
  const Var out = make_like(signal, cols(signal));  // [T, C]
  with_real([&]<class R>(R) {
    kernels::gate_forward(n, data<R>(signal), data<R>(gate), data<R>(out));
    record(Role::kGate, {signal, gate}, out, {}, [=, this](const AdjointRules& rules) {
      const bool to_signal = rules.path != MixerPath::kGate;
      const bool to_gate = rules.gate == AdjointRules::Gate::kExact && (rules.path == MixerPath::kAll || rules.path == MixerPath::kGate);
      kernels::gate_backward(n, data<R>(signal), data<R>(gate), grad<R>(out), R(1), R(1), to_signal ? grad<R>(signal) : nullptr,
                             to_gate ? grad<R>(gate) : nullptr);
    });
  });
  return out;
}

Var Ctx::decay(Var x, const Weight& bias) {
  const int64_t T = rows(x), C = cols(x);
  check(bias.size() == C, ErrorCode::kData, "[decay] {} must be [{}] but is [{}]", bias.name, C, fmt::join(bias.shape, ", "));
  const Var out = make_like(x, C);  // [T, C] step > 0
  with_real([&]<class R>(R) {
    kernels::bias_act_forward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), data<R>(out));
    record(Role::kDecay, {x}, out, {&bias}, [=, this, &bias](const AdjointRules& rules) {
      kernels::bias_act_backward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), grad<R>(out), grad<R>(x),
                                 rules.weights ? options_.grads->of<R>(bias) : nullptr);
    });
  });
  return out;
}

Var Ctx::rmsnorm(const Weight* w, Var x, double eps) {
  const int64_t T = rows(x), C = cols(x);
  check(w == nullptr || w->size() == C, ErrorCode::kData, "[rmsnorm] {} must be [{}]", w == nullptr ? "" : w->name, C);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    R* rstd = arena_->array<R>(static_cast<size_t>(T));  // [T]
    const R* wv = w == nullptr ? nullptr : w->as<R>();
    kernels::rmsnorm_forward(T, C, data<R>(x), wv, R(eps), data<R>(out), rstd);
    record(Role::kNorm, {x}, out, {w}, [=, this](const AdjointRules& rules) {
      R* dw = rules.weights && w != nullptr ? options_.grads->of<R>(*w) : nullptr;
      kernels::rmsnorm_backward(T, C, data<R>(x), wv, rstd, grad<R>(out), rules.norm == AdjointRules::Norm::kFrozenScale, grad<R>(x), dw);
    });
  });
  return out;
}

}  // namespace hindscan
