// Role glr: row + rank r, several erase and write steps a token (DeltaProduct, Gated DeltaNet-2, Erase-then-Delta).
// Adjoint: exact (states recomputed), or the value path alone (coefficients frozen = implicit attention transposed), or
// one MixerPath: value v; write k, s, d; decay g, b, c; read q.
#pragma once
#include "core/ops/carried.h"
#include "kernels/glr/rank.h"

namespace hindscan {

// Several erase and write steps a token, kernels/glr/rank.h.
struct GlrRank {
  int64_t heads, K, V, steps;
  Var q, k, v;     // [T, H*K], [T, r*H*K], [T, r*H*V]: of each token its steps one after another
  Var b, c;        // [T, r*H*K] a step erases by I + b c^T
  Var g = kNoVar;  // log decay before the first step [T, H] or [T, H*K]; none: no decay
  Var s = kNoVar;  // write weight [T, r*H]
  Var d = kNoVar;  // diagonal on the values [T, r*H*V]
};

template <class R>
struct RankDetail final : MixerDetail {
  RankDetail() : MixerDetail("rank") {}
  kernels::glr::RankDims dims{};
  kernels::glr::RankCoeffs<R> coeffs{};
  const R *v = nullptr, *y = nullptr;  // [T, r, H, V], [T, H, V]
};

namespace ops {

inline void check_rank(const Ctx& ctx, const GlrRank& in) {
  const int64_t H = in.heads, T = ctx.rows(in.v);
  check(H > 0 && in.K > 0 && in.V > 0 && in.steps > 0, ErrorCode::kData,
        "[glr rank] expected positive sizes, found heads {}, K {}, V {}, steps {}", H, in.K, in.V, in.steps);
  const auto want = [&](const char* name, Var x, int64_t width) {
    check(x == kNoVar || (ctx.rows(x) == T && ctx.cols(x) == width), ErrorCode::kInternal,
          "[glr rank] expected {} as [{}, {}], found [{}, {}]", name, T, width, x == kNoVar ? 0 : ctx.rows(x),
          x == kNoVar ? 0 : ctx.cols(x));
  };
  want("q", in.q, H * in.K);
  for (Var x : {in.k, in.b, in.c}) want("k, b and c", x, in.steps * H * in.K);
  for (Var x : {in.v, in.d}) want("v and d", x, in.steps * H * in.V);
  want("s", in.s, in.steps * H);
  if (in.g != kNoVar && ctx.cols(in.g) != H) want("g", in.g, H * in.K);
}

// One recorded op, and its adjoint.
template <class R>
struct RankOp {
  GlrRank in;
  Var out;
  kernels::glr::RankDims dims;         // T of the whole pass
  kernels::glr::RankCoeffs<R> coeffs;  // q and g spread over the steps of a token
  const R* v;                          // [T, r, H, V]
  CarriedSlot state;
  R* S0;  // [segments, H, K, V] before each segment

  kernels::glr::RankDims dims_of(const Segment& g) const {
    kernels::glr::RankDims d = dims;
    d.T = g.end - g.begin;
    return d;
  }
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
    if (!on.any_input()) return;
    kernels::glr::RankGrads<R> grads;
    if (on.value) grads.dv = ctx.grad<R>(in.v);
    if (on.read) grads.dq = ctx.grad<R>(in.q);
    if (on.write) grads.dk = ctx.grad<R>(in.k);
    if (on.write && in.s != kNoVar) grads.ds = ctx.grad<R>(in.s);
    if (on.write && in.d != kNoVar) grads.dd = ctx.grad<R>(in.d);
    if (on.decay) grads.db = ctx.grad<R>(in.b);
    if (on.decay) grads.dc = ctx.grad<R>(in.c);
    if (on.decay && in.g != kNoVar) grads.dg = ctx.grad<R>(in.g);
    const R* dy = ctx.grad<R>(out);  // [T, H, V]
    const std::vector<Segment>& segments = ctx.layout(in.v).segments;
    const ArenaScope scope(scratch);
    R* dS = scratch.array<R>(static_cast<size_t>(state.size()));  // [H, K, V]
    for (size_t s = segments.size(); s-- > 0;) {
      const Segment& g = segments[s];
      state.load_adjoint(ctx, g, dS);
      kernels::glr::RankGrads<R> here = at_token(dims, coeffs.decays(dims), grads, g.begin);
      here.dS = dS;
      const kernels::glr::RankCoeffs<R> c = at_token(dims, coeffs, g.begin);
      const R* from = dy + g.begin * dims.value();
      if (!on.any_coefficient()) {
        rank_value_adjoint(dims_of(g), c, from, dS, here.dv);
      } else {
        rank_backward(dims_of(g), c, v + g.begin * dims.r * dims.value(), S0 + static_cast<int64_t>(s) * state.size(),
                      from, here);
      }
      if (on.value) state.store_adjoint(ctx, g, dS);
    }
  }
};

// q and g over the steps of the tokens, in the arena; as they are where a token has one step.
template <class R>
kernels::glr::RankCoeffs<R> rank_coeffs(const Ctx& ctx, const GlrRank& in, const kernels::glr::RankDims& dims,
                                        Arena& arena) {
  const auto maybe = [&](Var x) { return x == kNoVar ? nullptr : ctx.data<R>(x); };
  const auto spread = [&](const R* rows, int64_t at, int64_t width) -> const R* {
    if (rows == nullptr || dims.r == 1) return rows;
    R* steps = arena.array<R>(static_cast<size_t>(dims.T * dims.r * width));  // [T, r, width]
    rows_to_steps(dims, at, width, rows, steps);
    return steps;
  };
  kernels::glr::RankCoeffs<R> c;
  c.steps.decay = in.g == kNoVar               ? kernels::glr::DecayShape::kNone
                  : ctx.cols(in.g) == in.heads ? kernels::glr::DecayShape::kScalar
                                               : kernels::glr::DecayShape::kRow;
  c.steps.q = spread(ctx.data<R>(in.q), dims.r - 1, dims.key());
  c.steps.g = spread(maybe(in.g), 0, c.decays(dims));
  c.steps.k = ctx.data<R>(in.k);
  c.steps.s = maybe(in.s);
  c.steps.b = ctx.data<R>(in.b);
  c.steps.c = ctx.data<R>(in.c);
  c.d = maybe(in.d);
  return c;
}

// [T, H*V]
inline Var glr(Ctx& ctx, const GlrRank& in) {
  check_rank(ctx, in);
  const CarriedSlot state{ctx.carry("glr", {in.heads, in.K, in.V})};
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, in.heads * in.V);  // [T, H*V]
  ctx.with_real([&]<class R>(R) {
    const kernels::glr::RankDims dims{ctx.rows(in.v), in.heads, in.K, in.V, in.steps};
    RankOp<R> op{in, out, dims, rank_coeffs<R>(ctx, in, dims, ctx.arena()), ctx.data<R>(in.v), state, nullptr};
    const int64_t n = state.size();
    if (ctx.recording()) op.S0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(n));
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* S = g.carries_out ? ctx.carry_out<R>(g.seq, state) : ctx.scratch().array<R>(static_cast<size_t>(n));
      state.load(ctx, g, S);
      if (op.S0 != nullptr) std::copy_n(S, n, op.S0 + static_cast<int64_t>(s) * n);
      const int64_t from = g.begin * dims.r * dims.value(), count = (g.end - g.begin) * dims.r * dims.value();
      rank_forward(op.dims_of(g), at_token(dims, op.coeffs, g.begin), op.v + from, S,
                   ctx.data<R>(out) + g.begin * dims.value(), ctx.scratch().array<R>(static_cast<size_t>(2 * count)));
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<RankDetail<R>>();
    detail->values = in.v;
    detail->writes = in.v;
    detail->state = ctx.name_of(state);
    detail->state_shape = state.shape.list();
    detail->dims = dims;
    detail->coeffs = op.coeffs;
    detail->v = op.v;
    detail->y = ctx.data<R>(out);
    std::vector<Var> inputs = {in.q, in.k, in.v, in.b, in.c};
    for (Var x : {in.g, in.s, in.d}) {
      if (x != kNoVar) inputs.push_back(x);
    }
    ctx.record(Role::kGlr, std::move(inputs), out, {});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace ops
}  // namespace hindscan
