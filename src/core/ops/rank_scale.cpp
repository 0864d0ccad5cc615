// Roles of Mamba-3's ranks: rank_expand and its transpose rank_reduce; linear in the signal under every rule.
#include "core/ops/op_support.h"
#include "core/ops/scale.h"
#include "kernels/parallel.h"

namespace hindscan::ops {

// narrow [T, H*P], wide [T, R*H*P], w [H, R, P]: expand writes wide, else narrow (+)= sum over ranks.
namespace {
struct Ranks {
  int64_t T, H, R, P;
  int64_t narrow(int64_t t, int64_t h) const { return (t * H + h) * P; }
  int64_t wide(int64_t t, int64_t r, int64_t h) const { return ((t * R + r) * H + h) * P; }
};
}  // namespace

template <class R>
static void multiply_add(int64_t n, const R* __restrict a, const R* __restrict b, R* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

template <class R>
static void expand(const Ranks& s, const R* w, const R* x, R* y, bool add) {
  kernels::for_rows(s.T, s.R * s.H * s.P, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t r = 0; r < s.R; ++r) {
        for (int64_t h = 0; h < s.H; ++h) {
          const R *wv = w + (h * s.R + r) * s.P, *from = x + s.narrow(t, h);
          R* to = y + s.wide(t, r, h);
          if (add)
            multiply_add(s.P, wv, from, to);
          else
            for (int64_t p = 0; p < s.P; ++p) to[p] = wv[p] * from[p];
        }
      }
    }
  });
}

template <class R>
static void reduce(const Ranks& s, const R* w, const R* x, R* y, bool add) {
  kernels::for_rows(s.T, s.R * s.H * s.P, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < s.H; ++h) {
        R* to = y + s.narrow(t, h);
        for (int64_t r = 0; r < s.R; ++r) {
          const R *wv = w + (h * s.R + r) * s.P, *from = x + s.wide(t, r, h);
          if (add || r > 0)
            multiply_add(s.P, wv, from, to);
          else
            for (int64_t p = 0; p < s.P; ++p) to[p] = wv[p] * from[p];
        }
      }
    }
  });
}

// dw [H, R, P] += sum_t wide * narrow.
template <class R>
static void rank_weight_gradient(const Ranks& s, const R* narrow, const R* wide, R* dw) {
  kernels::reduce_rows(s.T, s.R * s.H * s.P, s.R * s.H * s.P, dw, [&](int64_t begin, int64_t end, R* partial) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < s.H; ++h) {
        for (int64_t r = 0; r < s.R; ++r) {
          const R *a = narrow + s.narrow(t, h), *b = wide + s.wide(t, r, h);
          multiply_add(s.P, a, b, partial + (h * s.R + r) * s.P);
        }
      }
    }
  });
}

static Ranks ranks_of(const char* op, const Weight& w, int64_t T, int64_t heads, int64_t ranks, int64_t narrow) {
  const int64_t P = heads > 0 ? narrow / heads : 0;
  check(heads > 0 && ranks > 0 && P * heads == narrow, ErrorCode::kInternal, "[{}] {} channels, {} heads, {} ranks", op,
        narrow, heads, ranks);
  check(has_shape(w, {heads, ranks, P}), ErrorCode::kData, "[{}] {} must be [{}, {}, {}] but is [{}]", op, w.name,
        heads, ranks, P, fmt::join(w.shape, ", "));
  return {T, heads, ranks, P};
}

Var rank_expand(Ctx& ctx, const Weight& w, Var x, int64_t heads, int64_t ranks) {
  const Ranks s = ranks_of("rank_expand", w, ctx.rows(x), heads, ranks, ctx.cols(x));
  const Var out = ctx.make_like(x, ranks * ctx.cols(x));  // [T, R*H*P]
  ctx.with_real([&]<class R>(R) {
    expand(s, w.as<R>(), ctx.data<R>(x), ctx.data<R>(out), false);
    if (!ctx.record(Role::kScale, {x}, out, {&w})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      reduce(s, w.as<R>(), ctx.grad<R>(out), ctx.grad<R>(x), true);
      if (rule.weights) rank_weight_gradient(s, ctx.data<R>(x), ctx.grad<R>(out), ctx.options().grads->of<R>(w));
    });
  });
  return out;
}

Var rank_reduce(Ctx& ctx, const Weight& w, Var x, int64_t heads, int64_t ranks) {
  check(ranks > 0 && ctx.cols(x) % ranks == 0, ErrorCode::kInternal, "[rank_reduce] {} channels, {} ranks", ctx.cols(x),
        ranks);
  const Ranks s = ranks_of("rank_reduce", w, ctx.rows(x), heads, ranks, ctx.cols(x) / ranks);
  const Var out = ctx.make_like(x, ctx.cols(x) / ranks);  // [T, H*P]
  ctx.with_real([&]<class R>(R) {
    reduce(s, w.as<R>(), ctx.data<R>(x), ctx.data<R>(out), false);
    if (!ctx.record(Role::kScale, {x}, out, {&w})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      expand(s, w.as<R>(), ctx.grad<R>(out), ctx.grad<R>(x), true);
      if (rule.weights) rank_weight_gradient(s, ctx.grad<R>(out), ctx.data<R>(x), ctx.options().grads->of<R>(w));
    });
  });
  return out;
}

}  // namespace hindscan::ops
