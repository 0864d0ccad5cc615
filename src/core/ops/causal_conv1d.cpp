// Role conv: causal depthwise convolution. Adjoint: the transpose, or the relevance is shared among the inputs.
// Carries the last K-1 inputs ("conv"); their adjoint is kept apart per mixer path, because paths add up after it.
#include "core/ops/causal_conv1d.h"

#include <algorithm>

#include "core/ops/carried.h"
#include "core/ops/linear_product.h"
#include "core/ops/op_support.h"
#include "core/ops/relevance.h"

namespace hindscan::ops {

namespace {

template <class R>
struct SegmentRows {
  int64_t T, C, K;
  const R *past, *x, *y, *dy;  // [K-1, C], [T, C] each
};

// The relevance of a segment's outputs to its rows and to those before it; returns that of the bias. dpast as in
// kernels::conv1d_backward.
template <class R>
double conv_relevance(const SegmentRows<R>& s, const R* w, const R* bias, const LocalRule& rule, Arena& scratch,
                      R* dpast, R* dx) {
  const ArenaScope scope(scratch);
  const int64_t T = s.T, C = s.C, K = s.K, before = (K - 1) * C, n = T * C;
  R *rows = scratch.array<R>(static_cast<size_t>(before + n)),
    *drows = scratch.array<R>(static_cast<size_t>(before + n));
  std::copy_n(s.past, before, rows);  // [K-1+T, C]
  std::copy_n(s.x, n, rows + before);
  std::fill_n(drows, before + n, R(0));
  const auto apply = [=, &scratch](const R* weights, const R* in, R* out) {
    const ArenaScope inner(scratch);
    R* moving = scratch.array<R>(static_cast<size_t>(before));  // [K-1, C]
    std::copy_n(in, before, moving);
    kernels::conv1d_forward(T, C, K, weights, static_cast<const R*>(nullptr), in + before, moving, out);
  };
  const auto transposed = [=](const R* weights, const R* d, R* din) {
    std::fill_n(din, before + n, R(0));
    const R* unread = nullptr;
    R* none = nullptr;
    kernels::conv1d_backward(T, C, K, weights, unread, unread, d, din, din + before, none, none);
  };
  const LinearMap<R> map{before + n, n, C * K, w, bias, C, apply, transposed};
  const double of_bias = share_relevance(map, rule, rows, s.y, s.dy, scratch, drows);
  kernels::accumulate(before, dpast, drows + n);  // what later rows left of the last K-1
  std::copy_n(drows, before, dpast);
  kernels::accumulate(n, drows + before, dx);
  return of_bias;
}

}  // namespace

Var causal_conv1d(Ctx& ctx, const Weight& w, const Weight* bias, Var x) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x), K = w.shape.back();
  check(has_shape(w, {C, 1, K}), ErrorCode::kData,
        "[causal_conv1d] {} must be [d_inner, 1, d_conv] = [{}, 1, {}] but is [{}]", w.name, C, K,
        fmt::join(w.shape, ", "));
  const CarriedSlot before{ctx.carry("conv", {K - 1, C})};
  const size_t past_n = static_cast<size_t>((K - 1) * C);
  const std::vector<Segment>& segments = ctx.layout(x).segments;
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* pasts =
        ctx.recording() ? ctx.arena().array<R>(segments.size() * past_n) : nullptr;  // [segments, K-1, C] before each
    const R* b = bias == nullptr ? nullptr : bias->as<R>();
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* moving = g.carries_out ? ctx.carry_out<R>(g.seq, before) : ctx.scratch().array<R>(past_n);  // [K-1, C]
      before.load(ctx, g, moving);
      if (pasts != nullptr) std::copy_n(moving, past_n, pasts + s * past_n);
      kernels::conv1d_forward(g.end - g.begin, C, K, w.as<R>(), b, ctx.data<R>(x) + g.begin * C, moving,
                              ctx.data<R>(out) + g.begin * C);
    }
    if (!ctx.record(Role::kConv, {x}, out, {&w, bias})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      R* dx = ctx.grad<R>(x);
      R* dw = rule.weights ? ctx.options().grads->of<R>(w) : nullptr;
      for (size_t s = segments.size(); s-- > 0;) {
        const Segment& g = segments[s];
        const ArenaScope scope(ctx.scratch());
        R* dpast = ctx.scratch().array<R>(past_n);  // [K-1, C]
        before.load_adjoint(ctx, g, dpast, rule);
        const int64_t n = g.end - g.begin, at = g.begin * C;
        const R *rows = ctx.data<R>(x) + at, *past = pasts + s * past_n;
        if (rule.relevance)
          ctx.bias_share += conv_relevance({n, C, K, past, rows, ctx.data<R>(out) + at, dy + at}, w.as<R>(), b, rule,
                                           ctx.scratch(), dpast, dx + at);
        else
          kernels::conv1d_backward(n, C, K, w.as<R>(), rows, past, dy + at, dpast, dx + at, dw,
                                   static_cast<R*>(nullptr));
        before.store_adjoint(ctx, g, dpast, rule);
      }
      if (bias != nullptr && !rule.relevance) bias_backward(ctx, *bias, 0, T, C, dy, rule);
    });
  });
  return out;
}

}  // namespace hindscan::ops
