// Roles gate, modulate, head dot: a coefficient acts on a signal. Signal side: the transpose with the coefficient held.
// Coefficient side: the exact derivative or nothing. A gate that is a signal itself may share the adjoint.
#include "core/ops/gate.h"

#include "core/ops/coefficient.h"
#include "kernels/pointwise_coef.h"

namespace hindscan::ops {

template <class R>
static void act_on(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, R* y) {
  if (d == 1)
    kernels::gate_forward(T * H, x, coeff, y);
  else
    kernels::head_scale_forward(T, H, d, coeff, x, y);
}

template <class R>
static void act_on_backward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, const R* dy, R* dcoeff,
                            R* dx) {
  if (d == 1)
    kernels::gate_backward(T * H, x, coeff, dy, R(1), R(1), dx, dcoeff);
  else
    kernels::head_scale_backward(T, H, d, coeff, x, dy, dcoeff, dx);
}

// The adjoint that each of two signals gets: dy itself unless they share it.
template <class R>
static const R* shared_out(const LocalRule& rule, int64_t n, const R* dy, Arena& scratch) {
  if (rule.share == 1) return dy;
  R* part = scratch.array<R>(static_cast<size_t>(n));  // [T, C]
  for (int64_t i = 0; i < n; ++i) part[i] = static_cast<R>(rule.share) * dy[i];
  return part;
}

Var gate(Ctx& ctx, Var signal, Var gate) {
  const int64_t T = ctx.rows(signal), C = ctx.cols(signal), H = coefficient_heads(ctx, "gate", gate, signal);
  const Var out = ctx.make_like(signal, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    act_on(T, H, C / H, ctx.data<R>(gate), ctx.data<R>(signal), ctx.data<R>(out));
    if (!ctx.record(Role::kGate, {signal, gate}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      const ArenaScope scope(ctx.scratch());
      const R* dy = shared_out(rule, T * C, ctx.grad<R>(out), ctx.scratch());
      act_on_backward(T, H, C / H, ctx.data<R>(gate), ctx.data<R>(signal), dy,
                      rule.coefficient ? ctx.grad<R>(gate) : nullptr, rule.signal ? ctx.grad<R>(signal) : nullptr);
    });
  });
  return out;
}

Var modulate(Ctx& ctx, Var coeff, Var signal) {
  const int64_t T = ctx.rows(signal), C = ctx.cols(signal), H = coefficient_heads(ctx, "modulate", coeff, signal);
  const Var out = ctx.make_like(signal, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    act_on(T, H, C / H, ctx.data<R>(coeff), ctx.data<R>(signal), ctx.data<R>(out));
    if (!ctx.record(Role::kModulate, {coeff, signal}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      act_on_backward(T, H, C / H, ctx.data<R>(coeff), ctx.data<R>(signal), ctx.grad<R>(out),
                      rule.coefficient ? ctx.grad<R>(coeff) : nullptr, ctx.grad<R>(signal));
    });
  });
  return out;
}

Var head_dot(Ctx& ctx, Var a, Var b, const Weight* w, int64_t heads) {
  const int64_t T = ctx.rows(a), C = ctx.cols(a);
  check(ctx.rows(b) == T && ctx.cols(b) == C && heads > 0 && C % heads == 0, ErrorCode::kInternal,
        "[head_dot] shapes [{}, {}] and [{}, {}], {} heads", T, C, ctx.rows(b), ctx.cols(b), heads);
  check(w == nullptr || w->size() == C, ErrorCode::kData, "[head_dot] {} must have {} numbers",
        w == nullptr ? "" : w->name, C);
  const Var out = ctx.make_like(a, heads);  // [T, H]
  ctx.with_real([&]<class R>(R) {
    const R* wv = w == nullptr ? nullptr : w->as<R>();
    kernels::head_dot_forward(T, heads, C / heads, ctx.data<R>(a), ctx.data<R>(b), wv, ctx.data<R>(out));
    if (!ctx.record(Role::kHeadDot, {a, b}, out, {w})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (!rule.coefficient) return;
      R* dw = rule.weights && w != nullptr ? ctx.options().grads->of<R>(*w) : nullptr;
      kernels::head_dot_backward(T, heads, C / heads, ctx.data<R>(a), ctx.data<R>(b), wv, ctx.grad<R>(out),
                                 ctx.grad<R>(a), ctx.grad<R>(b), dw);
    });
  });
  return out;
}

}  // namespace hindscan::ops
