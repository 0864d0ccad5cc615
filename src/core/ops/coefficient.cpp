// Roles gate, modulate, token mix, head dot: a coefficient acts on a signal. Signal side: the transpose with the
// coefficient held. Coefficient side: the exact derivative or nothing. A gate that is a signal itself may share the
// adjoint.
#include "core/context.h"
#include "kernels/pointwise_coef.h"

namespace hindscan {

// Heads of a coefficient [T, H] for a signal [T, H*d].
static int64_t coefficient_heads(const Ctx& c, const char* op, Var coeff, Var signal) {
  const int64_t H = c.cols(coeff), C = c.cols(signal);
  check(c.rows(coeff) == c.rows(signal) && H > 0 && C % H == 0, ErrorCode::kInternal,
        "[{}] expected a coefficient [{}, {}] or one number per head, found [{}, {}]", op, c.rows(signal), C,
        c.rows(coeff), H);
  return H;
}

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

Var Ctx::gate(Var signal, Var gate) {
  const int64_t T = rows(signal), C = cols(signal), H = coefficient_heads(*this, "gate", gate, signal);
  const Var out = make_like(signal, C);  // [T, C]
  with_real([&]<class R>(R) {
    act_on(T, H, C / H, data<R>(gate), data<R>(signal), data<R>(out));
    if (!record(Role::kGate, {signal, gate}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      const ArenaScope scope(scratch_);
      const R* dy = shared_out(rule, T * C, grad<R>(out), scratch_);
      act_on_backward(T, H, C / H, data<R>(gate), data<R>(signal), dy, rule.coefficient ? grad<R>(gate) : nullptr,
                      rule.signal ? grad<R>(signal) : nullptr);
    });
  });
  return out;
}

Var Ctx::modulate(Var coeff, Var signal) {
  const int64_t T = rows(signal), C = cols(signal), H = coefficient_heads(*this, "modulate", coeff, signal);
  const Var out = make_like(signal, C);  // [T, C]
  with_real([&]<class R>(R) {
    act_on(T, H, C / H, data<R>(coeff), data<R>(signal), data<R>(out));
    if (!record(Role::kModulate, {coeff, signal}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      act_on_backward(T, H, C / H, data<R>(coeff), data<R>(signal), grad<R>(out),
                      rule.coefficient ? grad<R>(coeff) : nullptr, grad<R>(signal));
    });
  });
  return out;
}

Var Ctx::lerp(Var a, Var b, Var coeff) {
  const int64_t T = rows(a), C = cols(a), H = coefficient_heads(*this, "lerp", coeff, a);
  check(rows(b) == T && cols(b) == C, ErrorCode::kInternal, "[lerp] shapes [{}, {}] and [{}, {}] differ", T, C, rows(b),
        cols(b));
  const Var out = make_like(a, C);  // [T, C]
  with_real([&]<class R>(R) {
    kernels::lerp_forward(T, H, C / H, data<R>(a), data<R>(b), data<R>(coeff), data<R>(out));
    if (!record(Role::kTokenMix, {a, b, coeff}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      kernels::lerp_backward(T, H, C / H, data<R>(a), data<R>(b), data<R>(coeff), grad<R>(out), grad<R>(a), grad<R>(b),
                             rule.coefficient ? grad<R>(coeff) : nullptr);
    });
  });
  return out;
}

Var Ctx::mix(Var x, Var previous, const Weight& mu, Var delta, bool mu_of_x) {
  const int64_t T = rows(x), C = cols(x);
  check(mu.size() == C, ErrorCode::kData, "[mix] {} must be [{}] but is [{}]", mu.name, C, fmt::join(mu.shape, ", "));
  for (Var v : {previous, delta}) {
    check(v == kNoVar || (rows(v) == T && cols(v) == C), ErrorCode::kInternal, "[mix] expected [{}, {}]", T, C);
  }
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    const R* d = delta == kNoVar ? nullptr : data<R>(delta);
    kernels::mix_forward(T, C, data<R>(x), data<R>(previous), mu.as<R>(), d, mu_of_x, data<R>(out));
    const Var in[] = {x, previous, delta};
    if (!record(Role::kTokenMix, std::span(in, delta == kNoVar ? 2 : 3), out, {&mu})) return;
    set_adjoint([=, this, &mu](const LocalRule& rule) {
      R* ddelta = delta != kNoVar && rule.coefficient ? grad<R>(delta) : nullptr;
      kernels::mix_backward(T, C, data<R>(x), data<R>(previous), mu.as<R>(), d, mu_of_x, grad<R>(out), grad<R>(x),
                            grad<R>(previous), ddelta, rule.weights ? options_.grads->of<R>(mu) : nullptr);
    });
  });
  return out;
}

Var Ctx::head_dot(Var a, Var b, const Weight* w, int64_t heads) {
  const int64_t T = rows(a), C = cols(a);
  check(rows(b) == T && cols(b) == C && heads > 0 && C % heads == 0, ErrorCode::kInternal,
        "[head_dot] shapes [{}, {}] and [{}, {}], {} heads", T, C, rows(b), cols(b), heads);
  check(w == nullptr || w->size() == C, ErrorCode::kData, "[head_dot] {} must have {} numbers",
        w == nullptr ? "" : w->name, C);
  const Var out = make_like(a, heads);  // [T, H]
  with_real([&]<class R>(R) {
    const R* wv = w == nullptr ? nullptr : w->as<R>();
    kernels::head_dot_forward(T, heads, C / heads, data<R>(a), data<R>(b), wv, data<R>(out));
    if (!record(Role::kHeadDot, {a, b}, out, {w})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (!rule.coefficient) return;
      R* dw = rule.weights && w != nullptr ? options_.grads->of<R>(*w) : nullptr;
      kernels::head_dot_backward(T, heads, C / heads, data<R>(a), data<R>(b), wv, grad<R>(out), grad<R>(a), grad<R>(b),
                                 dw);
    });
  });
  return out;
}

}  // namespace hindscan
