// Role glr: the gated linear recurrence. Adjoint: exact (with recomputed states), or the value path alone (coefficients
// frozen = implicit attention transposed), or one coefficient's part of the exact gradient (MixerPath).
#include <algorithm>

#include "core/ops/carried.h"
#include "core/ops/glr.h"
#include "kernels/glr/element.h"

namespace hindscan::ops {

using kernels::glr::ElementCoeffs;
using kernels::glr::ElementDims;
using kernels::glr::ElementGrads;

namespace {

// One recorded op, and its adjoint.
template <class R>
struct ElementOp {
  GlrElement in;
  Var out;
  ElementDims dims;  // T of the whole pass
  ElementCoeffs<R> coeffs;
  const R* v;
  CarriedSlot state;
  R* S0;  // [segments, D, N] before each segment

  ElementDims dims_of(const Segment& g) const { return {g.end - g.begin, dims.D, dims.N}; }
  ElementCoeffs<R> at(int64_t t) const {
    return {coeffs.dt + t * dims.D, coeffs.A, coeffs.B + t * dims.N, coeffs.C + t * dims.N};
  }
  std::shared_ptr<ElementDetail<R>> detail(const Ctx& ctx) const;
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const;
  // Of one segment; dS [D, N] as in ElementGrads, all: of the whole pass.
  void segment_back(Ctx& ctx, const Segment& g, size_t s, const LocalRule& on, const ElementGrads<R>& all, R* dS) const;
};

template <class R>
std::shared_ptr<ElementDetail<R>> ElementOp<R>::detail(const Ctx& ctx) const {
  auto d = std::make_shared<ElementDetail<R>>();
  d->values = in.v;
  d->writes = in.k;
  d->state = ctx.name_of(state);
  d->state_shape = state.shape.list();
  d->dims = dims;
  d->coeffs = coeffs;
  d->v = v;
  d->y = ctx.data<R>(out);
  return d;
}

template <class R>
void ElementOp<R>::segment_back(Ctx& ctx, const Segment& g, size_t s, const LocalRule& on, const ElementGrads<R>& all,
                                R* dS) const {
  const int64_t b = g.begin, D = dims.D, N = dims.N;
  const R* dy = ctx.grad<R>(out) + b * D;
  if (!on.any_coefficient() && all.dA == nullptr)
    return kernels::glr::element_value_adjoint(dims_of(g), at(b), dy, dS, all.dx + b * D);
  const auto from = [](R* p, int64_t by) { return p == nullptr ? p : p + by; };
  ElementGrads<R> grads = all;
  grads.dx = from(all.dx, b * D);
  grads.ddt_write = from(all.ddt_write, b * D);
  grads.ddt_decay = from(all.ddt_decay, b * D);
  grads.dB = from(all.dB, b * N);
  grads.dC = from(all.dC, b * N);
  grads.dS = dS;
  kernels::glr::element_backward(dims_of(g), at(b), v + b * D, S0 + static_cast<int64_t>(s) * state.size(), dy, grads);
}

template <class R>
void ElementOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
  if (!on.any_input()) return;
  const size_t n = static_cast<size_t>(state.size());
  const ArenaScope outer(scratch);
  ElementGrads<R> grads;
  if (on.value) grads.dx = ctx.grad<R>(in.v);
  if (on.read) grads.dC = ctx.grad<R>(in.q);
  if (on.write) grads.dB = ctx.grad<R>(in.k);
  R* ddt = on.write || on.decay ? ctx.grad<R>(in.dt) : nullptr;
  grads.ddt_write = on.write ? ddt : nullptr;
  grads.ddt_decay = on.decay ? ddt : nullptr;
  if (on.weights) grads.dA = zeros<R>(scratch, state.size());  // [D, N]
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    const ArenaScope scope(scratch);
    R* dS = scratch.array<R>(n);  // [D, N]
    state.load_adjoint(ctx, g, dS);
    segment_back(ctx, g, s, on, grads, dS);
    if (on.value) state.store_adjoint(ctx, g, dS);
  }
  if (grads.dA == nullptr) return;
  R* dA_log = ctx.options().grads->of<R>(*in.A_log);
  for (size_t i = 0; i < n; ++i) dA_log[i] += grads.dA[i] * coeffs.A[i];  // A = -exp(A_log)
}

}  // namespace

Var glr(Ctx& ctx, const GlrElement& in) {
  const int64_t T = ctx.rows(in.v), D = ctx.cols(in.v), N = ctx.cols(in.k);
  check(in.A_log->size() == D * N, ErrorCode::kData, "[glr] {} must be [d_inner, d_state] = [{}, {}] but is [{}]",
        in.A_log->name, D, N, fmt::join(in.A_log->shape, ", "));
  check(N <= 256, ErrorCode::kData, "[glr] expected d_state <= 256, found {}", N);
  const CarriedSlot state{ctx.carry("glr", {D, N})};
  const size_t n = static_cast<size_t>(D * N);
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, D);  // [T, D]
  ctx.with_real([&]<class R>(R) {
    R* A = ctx.arena().array<R>(n);  // [D, N]
    kernels::neg_exp(D * N, in.A_log->as<R>(), A);
    const ElementCoeffs<R> coeffs{ctx.data<R>(in.dt), A, ctx.data<R>(in.k), ctx.data<R>(in.q)};
    ElementOp<R> op{in, out, {T, D, N}, coeffs, ctx.data<R>(in.v), state, nullptr};
    if (ctx.recording()) op.S0 = ctx.arena().array<R>(segments.size() * n);
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* S = g.carries_out ? ctx.carry_out<R>(g.seq, state) : ctx.scratch().array<R>(n);
      state.load(ctx, g, S);
      if (op.S0 != nullptr) std::copy_n(S, n, op.S0 + s * n);
      kernels::glr::element_forward(op.dims_of(g), op.at(g.begin), op.v + g.begin * D, S,
                                    ctx.data<R>(out) + g.begin * D);
    }
    if (!ctx.record(Role::kGlr, {in.q, in.k, in.v, in.dt}, out, {in.A_log})) return;
    auto detail = op.detail(ctx);
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
