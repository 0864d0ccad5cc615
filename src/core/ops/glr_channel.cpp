// Role glr: one state number per channel (RG-LRU, HGRN). Adjoint: exact, or the value path alone (coefficients frozen),
// or one MixerPath: value v, write w, decay g, read r.
#include "core/ops/glr.h"
#include "core/ops/glr_channels.h"

namespace hindscan::ops {

using kernels::glr::ChannelGrads;

namespace {

template <class R>
struct ChannelOp {
  GlrChannel in;
  Var out;
  kernels::glr::ChannelDims dims;  // T of the whole pass
  kernels::glr::ChannelCoeffs<R> coeffs;
  const R* v;
  CarriedSlot state;
  R* S0;  // [segments, D] before each segment

  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
    if (!on.any_input()) return;
    const int64_t D = dims.D;
    ChannelGrads<R> grads;
    if (on.value) grads.dv = ctx.grad<R>(in.v);
    if (on.decay) grads.dg = ctx.grad<R>(in.g);
    if (on.write && in.w != kNoVar) grads.dw = ctx.grad<R>(in.w);
    if (on.read && in.r != kNoVar) grads.dr = ctx.grad<R>(in.r);
    const R* dy = ctx.grad<R>(out);  // [T, D]
    const std::vector<Segment>& segments = ctx.layout(in.v).segments;
    const ArenaScope scope(scratch);
    R* dS = scratch.array<R>(static_cast<size_t>(D));  // [D]
    for (size_t s = segments.size(); s-- > 0;) {
      const Segment& g = segments[s];
      state.load_adjoint(ctx, g, dS);
      ChannelGrads<R> here = at_token(grads, D, g.begin);
      here.dS = dS;
      kernels::glr::channel_backward({g.end - g.begin, D}, at_token(coeffs, D, g.begin), v + g.begin * D,
                                     S0 + static_cast<int64_t>(s) * D, dy + g.begin * D, here);
      if (on.value) state.store_adjoint(ctx, g, dS);
    }
  }
};

}  // namespace

Var glr(Ctx& ctx, const GlrChannel& in) {
  const int64_t T = ctx.rows(in.v), D = ctx.cols(in.v);
  for (Var x : {in.g, in.w, in.r}) {
    check(x == kNoVar || (ctx.rows(x) == T && ctx.cols(x) == D), ErrorCode::kInternal,
          "[glr channel] expected g, w and r as [{}, {}], found [{}, {}]", T, D, x == kNoVar ? 0 : ctx.rows(x),
          x == kNoVar ? 0 : ctx.cols(x));
  }
  const CarriedSlot state{ctx.carry("glr", {D})};
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, D);  // [T, D]
  ctx.with_real([&]<class R>(R) {
    ChannelOp<R> op{in, out, {T, D}, {ctx.data<R>(in.g)}, ctx.data<R>(in.v), state, nullptr};
    if (in.w != kNoVar) op.coeffs.w = ctx.data<R>(in.w);
    if (in.r != kNoVar) op.coeffs.r = ctx.data<R>(in.r);
    if (ctx.recording()) op.S0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(D));
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      R* S = g.carries_out ? ctx.carry_out<R>(g.seq, state) : ctx.scratch().array<R>(static_cast<size_t>(D));
      op.state.load(ctx, g, S);
      if (op.S0 != nullptr) std::copy_n(S, D, op.S0 + static_cast<int64_t>(s) * D);
      kernels::glr::channel_forward({g.end - g.begin, D}, at_token(op.coeffs, D, g.begin), op.v + g.begin * D, S,
                                    ctx.data<R>(out) + g.begin * D);
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<ChannelDetail<R>>();
    detail->values = in.v;
    detail->writes = in.v;
    detail->state = ctx.name_of(state);
    detail->state_shape = state.shape.list();
    detail->dims = op.dims;
    detail->coeffs = op.coeffs;
    detail->v = op.v;
    detail->y = ctx.data<R>(out);
    std::vector<Var> inputs = {in.v, in.g};
    for (Var x : {in.w, in.r}) {
      if (x != kNoVar) inputs.push_back(x);
    }
    ctx.record(Role::kGlr, std::move(inputs), out, {});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
