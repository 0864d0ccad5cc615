// Role rotate: pairs of channels turned by angles; linear and orthogonal in the signal, so the adjoint turns back under
// every rule. rope: angles of the position. rotate: given angles, exact derivative to them, none under frozen rules.
// phase: the running sum of pi tanh(angle) dt modulo 2 pi, carried as "phase"; a coefficient, so no adjoint under
// frozen rules.
#include "core/ops/rotate.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "core/ops/carried.h"
#include "kernels/parallel.h"
#include "kernels/pointwise_coef_rotate.h"

namespace hindscan::ops {

static double rate_of(const Rope& rope, int64_t pair) {
  if (rope.scale) return rope.scale->rates[static_cast<size_t>(pair)];
  return std::pow(rope.base, -2.0 * static_cast<double>(pair) / static_cast<double>(rope.rotary_dim));
}

// Dynamic NTK turns tokens that were already read once a text grows longer: no state could follow that.
static void check_positions(const Rope& rope, int64_t end) {
  const int64_t most = rope.scale ? rope.scale->positions : 0;
  check(
      most == 0 || end <= most, ErrorCode::kData,
      "[rope] expected at most {} tokens: beyond them \"dynamic\" scaling changes the positions of the tokens already "
      "read, found {}; shorten the text, or give \"yarn\" or \"linear\" in the configuration",
      most, end);
}

// cos and sin [n, pairs] of the angles of positions first .. first + n; exact every 32 rows, turned on by one step
// between.
template <class R>
static void position_angles(const Rope& rope, int64_t n, int64_t first, R* cosine, R* sine) {
  constexpr int64_t kRows = 32;
  const int64_t pairs = rope.rotary_dim / 2;
  const double size = rope.scale ? rope.scale->size : 1;
  kernels::for_pieces(n, kRows, n * pairs, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < pairs; ++i) {
      const double rate = rate_of(rope, i);
      const double angle = static_cast<double>(first + begin) * rate, turn_c = std::cos(rate), turn_s = std::sin(rate);
      double c = std::cos(angle), s = std::sin(angle);
      for (int64_t t = begin; t < end; ++t) {
        cosine[t * pairs + i] = static_cast<R>(size * c);
        sine[t * pairs + i] = static_cast<R>(size * s);
        const double next = c * turn_c - s * turn_s;
        s = c * turn_s + s * turn_c;
        c = next;
      }
    }
  });
}

Var rope(Ctx& ctx, const Rope& rope, Var x) {
  const int64_t T = ctx.rows(x), pairs = rope.rotary_dim / 2;
  check(rope.heads > 0 && rope.heads * rope.head_dim == ctx.cols(x) && rope.rotary_dim % 2 == 0 &&
            rope.rotary_dim <= rope.head_dim && (!rope.scale || std::ssize(rope.scale->rates) == pairs),
        ErrorCode::kData,
        "[rope] expected an even rotary_dim <= head_dim and {} heads of {}, found rotary_dim {} and {} channels",
        rope.heads, rope.head_dim, rope.rotary_dim, ctx.cols(x));
  const kernels::RotateShape shape{T, rope.heads, rope.head_dim, pairs, rope.interleaved ? 0 : pairs, 1};
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* cosine = ctx.arena().array<R>(static_cast<size_t>(T * pairs));  // [T, pairs]
    R* sine = ctx.arena().array<R>(static_cast<size_t>(T * pairs));    // [T, pairs]
    for (const Segment& s : ctx.layout(x).segments) {
      check_positions(rope, ctx.position(s, x) + s.end - s.begin);
      position_angles(rope, s.end - s.begin, ctx.position(s, x), cosine + s.begin * pairs, sine + s.begin * pairs);
    }
    kernels::rotate_forward(shape, cosine, sine, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kRotate, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      kernels::rotate_backward(shape, cosine, sine, static_cast<const R*>(nullptr), ctx.grad<R>(out), ctx.grad<R>(x),
                               static_cast<R*>(nullptr));
    });
  });
  return out;
}

// heads counts the heads of x; theta [T, heads*S] turns the first S pairs of each: (2i, 2i+1) or (i, i + d/2).
Var rotate(Ctx& ctx, Var x, Var theta, int64_t heads, bool interleaved) {
  const int64_t T = ctx.rows(x), d = heads > 0 ? ctx.cols(x) / heads : 0, S = heads > 0 ? ctx.cols(theta) / heads : 0;
  check(ctx.rows(theta) == T && d * heads == ctx.cols(x) && S * heads == ctx.cols(theta) && 2 * S <= d &&
            (interleaved || d % 2 == 0),
        ErrorCode::kInternal, "[rotate] expected {} heads of angles for {} channels, found {} angles", heads,
        ctx.cols(x), ctx.cols(theta));
  const kernels::RotateShape shape{T, heads, d, S, interleaved ? 0 : d / 2, heads};
  const size_t n = static_cast<size_t>(T * heads * S);
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const ArenaScope scope(ctx.scratch());
    R *sine = ctx.scratch().array<R>(n), *cosine = ctx.scratch().array<R>(n);  // [T, heads*S]
    kernels::sin_cos(T * heads * S, ctx.data<R>(theta), sine, cosine);
    kernels::rotate_forward(shape, cosine, sine, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kRotate, {x, theta}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      const ArenaScope inner(ctx.scratch());
      R *sin2 = ctx.scratch().array<R>(n), *cos2 = ctx.scratch().array<R>(n);  // [T, heads*S]
      kernels::sin_cos(T * heads * S, ctx.data<R>(theta), sin2, cos2);
      kernels::rotate_backward(shape, cos2, sin2, ctx.data<R>(out), ctx.grad<R>(out), ctx.grad<R>(x),
                               rule.coefficient ? ctx.grad<R>(theta) : nullptr);
    });
  });
  return out;
}

static double wrap_turn(double angle) {
  constexpr double turn = 2 * std::numbers::pi;
  return angle >= 0 && angle < turn ? angle : angle - turn * std::floor(angle / turn);
}

// theta [n, H*S] from the sum [H, S] before, which is advanced.
template <class R>
static void phase_forward(int64_t n, int64_t H, int64_t S, const R* angle, const R* dt, double* rate, double* sum,
                          R* theta) {
  for (int64_t t = 0; t < n; ++t) {
    for (int64_t s = 0; s < S; ++s) rate[s] = std::numbers::pi * std::tanh(static_cast<double>(angle[t * S + s]));
    for (int64_t h = 0; h < H; ++h) {
      const double step = static_cast<double>(dt[t * H + h]);
      for (int64_t s = 0; s < S; ++s) {
        double& at = sum[h * S + s];
        at = wrap_turn(at + rate[s] * step);
        theta[(t * H + h) * S + s] = static_cast<R>(at);
      }
    }
  }
}

// sum [H, S]: adjoint of the sum left behind; ends as that of the sum before.
template <class R>
static void phase_backward(int64_t n, int64_t H, int64_t S, const R* angle, const R* dt, const R* dtheta, double* sum,
                           R* dangle, R* ddt) {
  for (int64_t t = n; t-- > 0;) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t s = 0; s < S; ++s) sum[h * S + s] += static_cast<double>(dtheta[(t * H + h) * S + s]);
    }
    for (int64_t s = 0; s < S; ++s) {
      const double turn = std::tanh(static_cast<double>(angle[t * S + s]));
      double to_angle = 0;
      for (int64_t h = 0; h < H; ++h) {
        to_angle += sum[h * S + s] * static_cast<double>(dt[t * H + h]);
        ddt[t * H + h] += static_cast<R>(std::numbers::pi * turn * sum[h * S + s]);
      }
      dangle[t * S + s] += static_cast<R>(std::numbers::pi * (1 - turn * turn) * to_angle);
    }
  }
}

Var phase(Ctx& ctx, Var angle, Var dt, int64_t heads) {
  const int64_t H = heads, S = ctx.cols(angle);
  check(ctx.rows(angle) == ctx.rows(dt) && ctx.cols(dt) == H, ErrorCode::kInternal,
        "[phase] expected a step [{}, {}], found [{}, {}]", ctx.rows(angle), H, ctx.rows(dt), ctx.cols(dt));
  const CarriedSlot before{ctx.carry("phase", {H, S})};
  const std::vector<Segment>& segments = ctx.layout(angle).segments;
  const int64_t n = H * S;
  const Var out = ctx.make_like(angle, n);  // [T, H*S]
  ctx.with_real([&]<class R>(R) {
    for (const Segment& g : segments) {
      const ArenaScope scope(ctx.scratch());
      double* sum = ctx.scratch().array<double>(static_cast<size_t>(n));   // [H, S]
      double* rate = ctx.scratch().array<double>(static_cast<size_t>(S));  // [S]
      const R* carried = before.in<R>(ctx, g);
      for (int64_t i = 0; i < n; ++i) sum[i] = carried == nullptr ? 0 : static_cast<double>(carried[i]);
      phase_forward(g.end - g.begin, H, S, ctx.data<R>(angle) + g.begin * S, ctx.data<R>(dt) + g.begin * H, rate, sum,
                    ctx.data<R>(out) + g.begin * n);
      if (!g.carries_out) continue;
      R* left = ctx.carry_out<R>(g.seq, before);
      for (int64_t i = 0; i < n; ++i) left[i] = static_cast<R>(sum[i]);
    }
    if (!ctx.record(Role::kRotate, {angle, dt}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (!rule.coefficient) return;
      R *dangle = ctx.grad<R>(angle), *ddt = ctx.grad<R>(dt);
      for (size_t s = segments.size(); s-- > 0;) {
        const Segment& g = segments[s];
        const ArenaScope scope(ctx.scratch());
        double* sum = ctx.scratch().array<double>(static_cast<size_t>(n));  // [H, S]
        const R* future = before.adjoint<R>(ctx, g, rule);
        for (int64_t i = 0; i < n; ++i) sum[i] = future == nullptr ? 0 : static_cast<double>(future[i]);
        phase_backward(g.end - g.begin, H, S, ctx.data<R>(angle) + g.begin * S, ctx.data<R>(dt) + g.begin * H,
                       ctx.grad<R>(out) + g.begin * n, sum, dangle + g.begin * S, ddt + g.begin * H);
        R* past = ctx.scratch().array<R>(static_cast<size_t>(n));  // [H, S]
        for (int64_t i = 0; i < n; ++i) past[i] = static_cast<R>(sum[i]);
        before.store_adjoint(ctx, g, past, rule);
      }
    });
  });
  return out;
}

}  // namespace hindscan::ops
