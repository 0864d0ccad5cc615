// Role token mix. token_shift: every token gets the row before it; the last row is carried ("shift"), its adjoint kept
// apart per mixer path. lerp and mix: between two signals, or with the row before; the share may be a coefficient.
#include "core/ops/token_mix.h"

#include <cstring>

#include "core/ops/carried.h"
#include "core/ops/coefficient.h"
#include "kernels/pointwise_coef.h"

namespace hindscan::ops {

Var token_shift(Ctx& ctx, Var x) {
  const int64_t C = ctx.cols(x);
  const CarriedSlot before{ctx.carry("shift", {C})};
  const std::vector<Segment>& segments = ctx.layout(x).segments;
  const size_t row = static_cast<size_t>(C);
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const R* xv = ctx.data<R>(x);
    R* y = ctx.data<R>(out);
    for (const Segment& s : segments) {
      const int64_t n = s.end - s.begin;
      const ArenaScope scope(ctx.scratch());
      R* first = ctx.scratch().array<R>(row);  // [C] the row before the segment
      before.load(ctx, s, first);
      if (n > 0) {
        std::memcpy(y + s.begin * C, first, row * sizeof(R));
        std::memcpy(y + (s.begin + 1) * C, xv + s.begin * C, static_cast<size_t>(n - 1) * row * sizeof(R));
      }
      if (s.carries_out)
        std::memcpy(ctx.carry_out<R>(s.seq, before), n > 0 ? xv + (s.end - 1) * C : first, row * sizeof(R));
    }
    if (!ctx.record(Role::kTokenMix, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      R* dx = ctx.grad<R>(x);
      for (size_t i = segments.size(); i-- > 0;) {
        const Segment& s = segments[i];
        const int64_t n = s.end - s.begin;
        const R* future = before.adjoint<R>(ctx, s, rule);
        if (n > 0) {
          kernels::accumulate((n - 1) * C, dy + (s.begin + 1) * C, dx + s.begin * C);
          if (future != nullptr) kernels::accumulate(C, future, dx + (s.end - 1) * C);
        }
        before.store_adjoint(ctx, s, n > 0 ? dy + s.begin * C : future, rule);
      }
    });
  });
  return out;
}

Var lerp(Ctx& ctx, Var a, Var b, Var coeff) {
  const int64_t T = ctx.rows(a), C = ctx.cols(a), H = coefficient_heads(ctx, "lerp", coeff, a);
  check(ctx.rows(b) == T && ctx.cols(b) == C, ErrorCode::kInternal, "[lerp] shapes [{}, {}] and [{}, {}] differ", T, C,
        ctx.rows(b), ctx.cols(b));
  const Var out = ctx.make_like(a, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    kernels::lerp_forward(T, H, C / H, ctx.data<R>(a), ctx.data<R>(b), ctx.data<R>(coeff), ctx.data<R>(out));
    if (!ctx.record(Role::kTokenMix, {a, b, coeff}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      kernels::lerp_backward(T, H, C / H, ctx.data<R>(a), ctx.data<R>(b), ctx.data<R>(coeff), ctx.grad<R>(out),
                             ctx.grad<R>(a), ctx.grad<R>(b), rule.coefficient ? ctx.grad<R>(coeff) : nullptr);
    });
  });
  return out;
}

Var mix(Ctx& ctx, Var x, Var previous, const Weight& mu, Var delta, bool mu_of_x) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(mu.size() == C, ErrorCode::kData, "[mix] {} must be [{}] but is [{}]", mu.name, C, fmt::join(mu.shape, ", "));
  for (Var v : {previous, delta}) {
    check(v == kNoVar || (ctx.rows(v) == T && ctx.cols(v) == C), ErrorCode::kInternal, "[mix] expected [{}, {}]", T, C);
  }
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const R* d = delta == kNoVar ? nullptr : ctx.data<R>(delta);
    kernels::mix_forward(T, C, ctx.data<R>(x), ctx.data<R>(previous), mu.as<R>(), d, mu_of_x, ctx.data<R>(out));
    const Var in[] = {x, previous, delta};
    if (!ctx.record(Role::kTokenMix, std::span(in, delta == kNoVar ? 2 : 3), out, {&mu})) return;
    ctx.set_adjoint([=, &ctx, &mu](const LocalRule& rule) {
      R* ddelta = delta != kNoVar && rule.coefficient ? ctx.grad<R>(delta) : nullptr;
      kernels::mix_backward(T, C, ctx.data<R>(x), ctx.data<R>(previous), mu.as<R>(), d, mu_of_x, ctx.grad<R>(out),
                            ctx.grad<R>(x), ctx.grad<R>(previous), ddelta,
                            rule.weights ? ctx.options().grads->of<R>(mu) : nullptr);
    });
  });
  return out;
}

}  // namespace hindscan::ops
