// Role glr: mLSTM, scalar heads whose last column of ones carries the denominator; inputs are scaled by exp(-m) with m
// the running maximum. Adjoint: exact (m enters through eps alone), or the value path (coefficients and divisor
// frozen), or one MixerPath: value v; write k, i; decay f; read q.
#include <cmath>

#include "core/ops/glr.h"
#include "core/ops/glr_channels.h"
#include "core/ops/glr_heads.h"

namespace hindscan::ops {

using kernels::glr::HeadGrads;

namespace {

template <class R>
struct MlstmOp {
  GlrMlstm in;
  Var out;
  HeadPass<R> pass;               // V + 1 columns; k scaled
  const R *y_wide, *m, *divisor;  // [T, H, V + 1], [T, H], [T, H]
  CarriedSlot state, max;
  R* S0;  // [segments, H, K, V + 1]

  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const;

 private:
  void divide_back(Ctx& ctx, bool frozen, R* dy_wide, R* dm) const;
  void maximum_back(Ctx& ctx, const LocalRule& on, R* dm) const;
};

// h = y / (max(|n|, exp(-m)) + eps). dm: what is left of the scale's effect when numerator and n follow it.
template <class R>
void MlstmOp<R>::divide_back(Ctx& ctx, bool frozen, R* dy_wide, R* dm) const {
  const int64_t V = in.V;
  const R *dy = ctx.grad<R>(out), *y = ctx.data<R>(out);
  for (int64_t th = 0; th < pass.dims.T * in.heads; ++th) {
    double along = 0;
    for (int64_t j = 0; j < V; ++j) {
      dy_wide[th * (V + 1) + j] = dy[th * V + j] / divisor[th];
      along += static_cast<double>(dy[th * V + j]) * static_cast<double>(y[th * V + j]);
    }
    const R n = y_wide[th * (V + 1) + V];
    const R ddivisor = static_cast<R>(-along / static_cast<double>(divisor[th]));
    const bool by_n = std::abs(n) >= std::exp(-m[th]);
    dy_wide[th * (V + 1) + V] = frozen || !by_n ? R(0) : n < 0 ? -ddivisor : ddivisor;
    dm[th] = static_cast<R>(in.eps) * ddivisor;
  }
}

// m_t = max(m_{t-1} + f_t, i_t)
template <class R>
void MlstmOp<R>::maximum_back(Ctx& ctx, const LocalRule& on, R* dm) const {
  const int64_t H = in.heads;
  const R* i = ctx.data<R>(in.i);
  R* di = on.write ? ctx.grad<R>(in.i) : nullptr;
  R* df = on.decay ? ctx.grad<R>(in.f) : nullptr;
  std::vector<R> carry(static_cast<size_t>(H));  // [H]
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    max.load_adjoint(ctx, g, carry.data());
    for (int64_t at = g.end * H - 1; at >= g.begin * H; --at) {
      R& c = carry[static_cast<size_t>(at % H)];
      c += dm[at];
      const bool input = m[at] == i[at];
      if (di != nullptr && input) di[at] += c;
      if (df != nullptr && !input) df[at] += c;
      if (input) c = 0;
    }
    if (on.write) max.store_adjoint(ctx, g, carry.data());
  }
}

template <class R>
void MlstmOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
  if (!on.any_input()) return;
  const auto [T, H, G, K, wide, ranks] = pass.dims;
  const ArenaScope outer(scratch);
  R *dy = scratch.array<R>(static_cast<size_t>(T * H * wide)), *dm = scratch.array<R>(static_cast<size_t>(T * H));
  divide_back(ctx, !on.coefficient, dy, dm);
  HeadGrads<R> grads;
  if (on.value) grads.dv = zeros<R>(scratch, T * H * wide);
  if (on.read) grads.dq = ctx.grad<R>(in.q);
  if (on.write) grads.dk = zeros<R>(scratch, T * H * K);
  if (on.write) grads.ds = zeros<R>(scratch, T * H);
  if (on.decay) grads.dg = ctx.grad<R>(in.f);  // g = f + m_{t-1} - m_t
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  R* dS = scratch.array<R>(static_cast<size_t>(state.size()));  // [H, K, V + 1]
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    state.load_adjoint(ctx, g, dS);
    HeadGrads<R> here = pass.at(grads, g.begin);
    if (!on.any_coefficient()) {
      kernels::glr::head_value_adjoint(pass.dims_of(g), pass.at(g.begin), dy + g.begin * H * wide, dS, here.dv);
    } else {
      here.dS = dS;
      kernels::glr::head_backward(pass.dims_of(g), pass.at(g.begin), pass.v + g.begin * H * wide,
                                  S0 + static_cast<int64_t>(s) * state.size(), dy + g.begin * H * wide, here);
    }
    if (on.value) state.store_adjoint(ctx, g, dS);
  }
  if (on.value) {
    R* dv = ctx.grad<R>(in.v);
    for (int64_t th = 0; th < T * H; ++th) {
      for (int64_t j = 0; j < in.V; ++j) dv[th * in.V + j] += grads.dv[th * wide + j];
    }
  }
  if (on.write) {
    R *dk = ctx.grad<R>(in.k), *di = ctx.grad<R>(in.i);
    for (int64_t at = 0; at < T * H * K; ++at) dk[at] += static_cast<R>(in.scale) * grads.dk[at];
    for (int64_t at = 0; at < T * H; ++at) di[at] += pass.coeffs.s[at] * grads.ds[at];
  }
  if (on.write || on.decay) maximum_back(ctx, on, dm);
}

void check_mlstm(const Ctx& ctx, const GlrMlstm& in) {
  const int64_t T = ctx.rows(in.v), H = in.heads;
  check(H > 0 && in.K > 0 && in.V > 0, ErrorCode::kData,
        "[glr mlstm] expected positive sizes, found heads {}, K {}, V {}", H, in.K, in.V);
  for (auto [x, width] :
       {std::pair<Var, int64_t>{in.q, H * in.K}, {in.k, H * in.K}, {in.v, H * in.V}, {in.f, H}, {in.i, H}}) {
    check(ctx.rows(x) == T && ctx.cols(x) == width, ErrorCode::kInternal,
          "[glr mlstm] expected an input as [{}, {}], found [{}, {}]", T, width, ctx.rows(x), ctx.cols(x));
  }
}

}  // namespace

Var glr(Ctx& ctx, const GlrMlstm& in) {
  check_mlstm(ctx, in);
  const int64_t T = ctx.rows(in.v), H = in.heads, V = in.V, wide = V + 1;
  const CarriedSlot state{ctx.carry("glr", {H, in.K, wide})}, max{ctx.carry_beside(state, "max", {H})};
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, H * V);  // [T, H*V]
  ctx.with_real([&]<class R>(R) {
    const size_t th = static_cast<size_t>(T * H);
    R *k = ctx.arena().array<R>(th * static_cast<size_t>(in.K)),
      *v = ctx.arena().array<R>(th * static_cast<size_t>(wide));
    for (int64_t i = 0; i < T * H * in.K; ++i) k[i] = static_cast<R>(in.scale) * ctx.data<R>(in.k)[i];  // [T, H, K]
    for (int64_t i = 0; i < T * H; ++i) {                                                               // [T, H, V + 1]
      std::copy_n(ctx.data<R>(in.v) + i * V, V, v + i * wide);
      v[i * wide + V] = 1;
    }
    R *g = ctx.arena().array<R>(th), *w = ctx.arena().array<R>(th), *m = ctx.arena().array<R>(th),
      *divisor = ctx.arena().array<R>(th);                             // [T, H]
    R* y_wide = ctx.arena().array<R>(th * static_cast<size_t>(wide));  // [T, H, V + 1]
    MlstmOp<R> op{in, out, {}, y_wide, m, divisor, state, max, nullptr};
    op.pass.dims = {T, H, H, in.K, wide, 1};
    op.pass.coeffs.q = ctx.data<R>(in.q);
    op.pass.coeffs.k = k;
    op.pass.coeffs.decay = kernels::glr::DecayShape::kScalar;
    op.pass.coeffs.g = g;
    op.pass.coeffs.s = w;
    op.pass.v = v;
    const int64_t n = op.state.size();
    if (ctx.recording()) op.S0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(n));
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& here = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* top = ctx.scratch().array<R>(static_cast<size_t>(H));  // [H]
      op.max.load(ctx, here, top);  // from 0, as published models run: eps is relative to exp(-m)
      R* S = here.carries_out ? ctx.carry_out<R>(here.seq, state) : ctx.scratch().array<R>(static_cast<size_t>(n));
      op.state.load(ctx, here, S);
      if (op.S0 != nullptr) std::copy_n(S, n, op.S0 + static_cast<int64_t>(s) * n);
      const int64_t at = here.begin * H;
      kernels::glr::running_max({here.end - here.begin, H}, ctx.data<R>(in.f) + at, ctx.data<R>(in.i) + at, top, g + at,
                                w + at, m + at, static_cast<const R*>(nullptr), static_cast<R*>(nullptr),
                                static_cast<R*>(nullptr));
      if (here.carries_out) std::copy_n(top, H, ctx.carry_out<R>(here.seq, max));
      kernels::glr::head_forward(op.pass.dims_of(here), op.pass.at(here.begin), v + at * wide, S, y_wide + at * wide);
    }
    R* y = ctx.data<R>(out);
    for (int64_t i = 0; i < T * H; ++i) {
      divisor[i] = std::max(std::abs(y_wide[i * wide + V]), std::exp(-m[i])) + static_cast<R>(in.eps);
      for (int64_t j = 0; j < V; ++j) y[i * V + j] = y_wide[i * wide + j] / divisor[i];
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<HeadDetail<R>>();
    detail->values = in.v;
    detail->writes = in.k;
    detail->state = ctx.name_of(state);
    detail->state_shape = state.shape.list();
    detail->dims = op.pass.dims;
    detail->coeffs = op.pass.coeffs;
    detail->v = v;
    detail->y = y;
    detail->S0 = op.S0;
    detail->divisor = divisor;
    detail->V_out = V;
    ctx.record(Role::kGlr, {in.q, in.k, in.v, in.f, in.i}, out, {});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
