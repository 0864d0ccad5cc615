// Role glr: the gated linear recurrence. Adjoint: exact (with recomputed states), or the value path alone (coefficients
// frozen = implicit attention transposed), or one coefficient's part of the exact gradient (MixerPath).
#include <cstring>

#include "core/ops/carried.h"
#include "core/ops/glr.h"
#include "kernels/glr/element.h"

namespace hindscan::ops {

using kernels::glr::ElementCoeffs;
using kernels::glr::ElementDims;
using kernels::glr::ElementGrads;

namespace {

template <class R>
struct ElementPass {  // one recorded glr op
  ElementDims dims;   // T of the whole pass
  ElementCoeffs<R> coeffs;
  const R* v;
  const R* S0;  // [segments, D, N]

  ElementCoeffs<R> at(int64_t t) const {
    return {coeffs.dt + t * dims.D, coeffs.A, coeffs.B + t * dims.N, coeffs.C + t * dims.N};
  }
};

}  // namespace

Var glr(Ctx& ctx, const GlrElement& in) {
  const int64_t T = ctx.rows(in.v), D = ctx.cols(in.v), N = ctx.cols(in.k);
  check(in.A_log->size() == D * N, ErrorCode::kData, "[glr] {} must be [d_inner, d_state] = [{}, {}] but is [{}]",
        in.A_log->name, D, N, fmt::join(in.A_log->shape, ", "));
  check(N <= 256, ErrorCode::kData, "[glr] expected d_state <= 256, found {}", N);
  const CarriedSlot state{ctx.carry("glr", {D, N})};
  const size_t state_n = static_cast<size_t>(D * N);
  const Weight* A_log = in.A_log;
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, D);  // [T, D]
  ctx.with_real([&]<class R>(R) {
    R* A = ctx.arena().array<R>(state_n);  // [D, N]
    kernels::neg_exp(D * N, A_log->as<R>(), A);
    R* S0 = ctx.recording() ? ctx.arena().array<R>(segments.size() * state_n) : nullptr;  // [segments, D, N]
    const ElementPass<R> pass{
        {T, D, N}, {ctx.data<R>(in.dt), A, ctx.data<R>(in.k), ctx.data<R>(in.q)}, ctx.data<R>(in.v), S0};
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* S = g.carries_out ? ctx.carry_out<R>(g.seq, state) : ctx.scratch().array<R>(state_n);
      state.load(ctx, g, S);
      if (S0 != nullptr) std::memcpy(S0 + s * state_n, S, state_n * sizeof(R));
      kernels::glr::element_forward({g.end - g.begin, D, N}, pass.at(g.begin), pass.v + g.begin * D, S,
                                    ctx.data<R>(out) + g.begin * D);
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<ElementDetail<R>>();
    detail->values = in.v;
    detail->writes = in.k;
    detail->state = ctx.name_of(state);
    detail->state_shape = state.shape.list();
    detail->dims = pass.dims;
    detail->coeffs = pass.coeffs;
    detail->v = pass.v;
    detail->y = ctx.data<R>(out);
    ctx.record(Role::kGlr, {in.q, in.k, in.v, in.dt}, out, {A_log});
    ctx.set_adjoint(
        [=, &ctx](const LocalRule& rule) {
          if (!rule.any_input()) return;
          const R* dy = ctx.grad<R>(out);
          R* dv = rule.value ? ctx.grad<R>(in.v) : nullptr;
          R* dq = rule.read ? ctx.grad<R>(in.q) : nullptr;
          R* dk = rule.write ? ctx.grad<R>(in.k) : nullptr;
          R* ddt = rule.write || rule.decay ? ctx.grad<R>(in.dt) : nullptr;
          const ArenaScope outer(ctx.scratch());
          R* dA = rule.weights ? ctx.scratch().array<R>(state_n) : nullptr;  // [D, N]
          if (dA != nullptr) std::memset(dA, 0, state_n * sizeof(R));
          for (size_t s = segments.size(); s-- > 0;) {
            const Segment& g = segments[s];
            const int64_t b = g.begin;
            const ArenaScope scope(ctx.scratch());
            R* dS = ctx.scratch().array<R>(state_n);
            state.load_adjoint(ctx, g, dS);
            const ElementDims dims{g.end - b, D, N};
            if (dv != nullptr && dq == nullptr && dk == nullptr && ddt == nullptr && dA == nullptr) {
              kernels::glr::element_value_adjoint(dims, pass.at(b), dy + b * D, dS, dv + b * D);
            } else {
              ElementGrads<R> grads;
              grads.dx = dv == nullptr ? nullptr : dv + b * D;
              grads.ddt_write = rule.write ? ddt + b * D : nullptr;
              grads.ddt_decay = rule.decay ? ddt + b * D : nullptr;
              grads.dA = dA;
              grads.dB = dk == nullptr ? nullptr : dk + b * N;
              grads.dC = dq == nullptr ? nullptr : dq + b * N;
              grads.dS = dS;
              kernels::glr::element_backward(dims, pass.at(b), pass.v + b * D, S0 + s * state_n, dy + b * D, grads);
            }
            if (rule.value) state.store_adjoint(ctx, g, dS);
          }
          if (dA == nullptr) return;
          R* dA_log = ctx.options().grads->of<R>(*A_log);
          for (size_t i = 0; i < state_n; ++i) dA_log[i] += dA[i] * A[i];  // A = -exp(A_log)
        },
        std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
