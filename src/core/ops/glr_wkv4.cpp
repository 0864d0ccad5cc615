// Role glr: RWKV-4's weighted mean per channel, numerator over denominator, both scaled by exp(-running maximum), which
// cancels and so has no adjoint. Adjoint: exact, or the value path alone (weights and denominator frozen), or one
// MixerPath: value v, write k; decay and read are weights.
#include <cmath>

#include "core/ops/glr.h"
#include "core/ops/glr_channels.h"

namespace hindscan::ops {

using kernels::glr::ChannelGrads;

namespace {

template <class R>
struct Wkv4Op {
  GlrWkv4 in;
  Var out;
  kernels::glr::ChannelDims dims;         // T of the whole pass
  kernels::glr::ChannelCoeffs<R> coeffs;  // kBefore with r and u
  R *f, *ones, *denominator;              // [T, D]
  CarriedSlot num, den, max;
  R *num0, *den0;  // [segments, D] before each segment

  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on, GradTable* table) const;

 private:
  void add_gradients(Ctx& ctx, const LocalRule& on, const ChannelGrads<R>& g, GradTable* table) const;
};

// dk = w dw + u du; time_first sums u du, time_decay f dg.
template <class R>
void Wkv4Op<R>::add_gradients(Ctx& ctx, const LocalRule& on, const ChannelGrads<R>& g, GradTable* table) const {
  const int64_t D = dims.D;
  R* dk = on.write ? ctx.grad<R>(in.k) : nullptr;
  R* dfirst = on.weights ? table->of<R>(*in.time_first) : nullptr;
  R* ddecay = on.weights ? table->of<R>(*in.time_decay) : nullptr;
  for (int64_t i = 0; i < dims.T * D; ++i) {
    const R now = coeffs.u[i] * g.du[i];
    if (dk != nullptr) dk[i] += coeffs.w[i] * g.dw[i] + now;
    if (!on.weights) continue;
    dfirst[i % D] += now;
    ddecay[i % D] += f[i] * g.dg[i];
  }
}

template <class R>
void Wkv4Op<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on, GradTable* table) const {
  const bool weights = on.weights && on.any_coefficient();
  if (!on.value && !on.write && !weights) return;
  const int64_t T = dims.T, D = dims.D;
  const R *dy = ctx.grad<R>(out), *y = ctx.data<R>(out), *v = ctx.data<R>(in.v);
  const ArenaScope outer(scratch);
  ChannelGrads<R> of_num, of_den;
  R* dnum = scratch.array<R>(static_cast<size_t>(T * D));  // [T, D]
  R* dden = scratch.array<R>(static_cast<size_t>(T * D));  // [T, D]
  for (int64_t i = 0; i < T * D; ++i) {
    dnum[i] = dy[i] / denominator[i];
    dden[i] = -y[i] * dnum[i];
  }
  if (on.value) of_num.dv = ctx.grad<R>(in.v);
  const bool coefficients = on.write || weights;
  if (coefficients) {
    of_num.dw = of_den.dw = zeros<R>(scratch, T * D);
    of_num.du = of_den.du = zeros<R>(scratch, T * D);
    if (weights) of_num.dg = of_den.dg = zeros<R>(scratch, T * D);
  }
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  R* dS = scratch.array<R>(static_cast<size_t>(D));  // [D]
  const auto run = [&](const CarriedSlot& slot, const ChannelGrads<R>& grads, const R* signal, const R* before,
                       const R* adjoint, bool keep) {
    for (size_t s = segments.size(); s-- > 0;) {
      const Segment& g = segments[s];
      slot.load_adjoint(ctx, g, dS);
      ChannelGrads<R> here = at_token(grads, D, g.begin);
      here.dS = dS;
      kernels::glr::channel_backward({g.end - g.begin, D}, at_token(coeffs, D, g.begin), signal + g.begin * D,
                                     before + static_cast<int64_t>(s) * D, adjoint + g.begin * D, here);
      if (keep) slot.store_adjoint(ctx, g, dS);
    }
  };
  run(num, of_num, v, num0, dnum, on.value);
  if (!coefficients) return;
  run(den, of_den, ones, den0, dden, on.write);
  add_gradients(ctx, on, of_num, table);
}

}  // namespace

Var glr(Ctx& ctx, const GlrWkv4& in) {
  const int64_t T = ctx.rows(in.v), D = ctx.cols(in.v);
  check(ctx.rows(in.k) == T && ctx.cols(in.k) == D, ErrorCode::kInternal,
        "[glr wkv4] expected k as [{}, {}], found [{}, {}]", T, D, ctx.rows(in.k), ctx.cols(in.k));
  for (const Weight* w : {in.time_decay, in.time_first}) {
    check(w->size() == D, ErrorCode::kData, "[glr wkv4] {} must be [{}] but is [{}]", w->name, D,
          fmt::join(w->shape, ", "));
  }
  const CarriedSlot above{ctx.carry("glr", {D})};  // the numerator
  const CarriedSlot below{ctx.carry_beside(above, "den", {D})}, top{ctx.carry_beside(above, "max", {D})};
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, D);  // [T, D]
  ctx.with_real([&]<class R>(R) {
    const size_t n = static_cast<size_t>(T * D);
    Wkv4Op<R> op{
        in,    out, {T, D},  {},     ctx.arena().array<R>(n), ctx.arena().array<R>(n), ctx.arena().array<R>(n), above,
        below, top, nullptr, nullptr};
    R *g = ctx.arena().array<R>(n), *w = ctx.arena().array<R>(n), *r = ctx.arena().array<R>(n),
      *u = ctx.arena().array<R>(n);  // [T, D]
    op.coeffs = {g, w, r, kernels::glr::Read::kBefore, u};
    const R* decay = in.time_decay->as<R>();
    for (int64_t i = 0; i < T * D; ++i) op.f[i] = -std::exp(decay[i % D]);
    std::fill_n(op.ones, n, R(1));
    R* y = ctx.data<R>(out);
    if (ctx.recording()) {
      op.num0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(D));
      op.den0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(D));
    }
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& here = segments[s];
      const int64_t at = here.begin * D;
      const ArenaScope scope(ctx.scratch());
      const auto place = [&](const CarriedSlot& slot) {
        return here.carries_out ? ctx.carry_out<R>(here.seq, slot) : ctx.scratch().array<R>(static_cast<size_t>(D));
      };
      R* m = ctx.scratch().array<R>(static_cast<size_t>(D));  // [D]
      R* m_path = ctx.scratch().array<R>(static_cast<size_t>((here.end - here.begin) * D));
      const bool keep_max = load_maximum(ctx, op.max, here, m);
      R *num = place(op.num), *den = place(op.den);
      op.num.load(ctx, here, num);
      op.den.load(ctx, here, den);
      if (op.num0 != nullptr) {
        std::copy_n(num, D, op.num0 + static_cast<int64_t>(s) * D);
        std::copy_n(den, D, op.den0 + static_cast<int64_t>(s) * D);
      }
      const kernels::glr::ChannelDims dims{here.end - here.begin, D};
      kernels::glr::running_max(dims, op.f + at, ctx.data<R>(in.k) + at, m, g + at, w + at, m_path,
                                in.time_first->as<R>(), r + at, u + at);
      if (keep_max) std::copy_n(m, D, ctx.carry_out<R>(here.seq, top));
      kernels::glr::channel_forward(dims, at_token(op.coeffs, D, here.begin), ctx.data<R>(in.v) + at, num, y + at);
      kernels::glr::channel_forward(dims, at_token(op.coeffs, D, here.begin), op.ones + at, den, op.denominator + at);
    }
    for (int64_t i = 0; i < T * D; ++i) y[i] /= op.denominator[i];
    if (!ctx.recording()) return;
    auto detail = std::make_shared<ChannelDetail<R>>();
    detail->values = in.v;
    detail->writes = in.v;
    detail->state = ctx.name_of(above);
    detail->state_shape = above.shape.list();
    detail->dims = op.dims;
    detail->coeffs = op.coeffs;
    detail->v = ctx.data<R>(in.v);
    detail->y = y;
    detail->divisor = op.denominator;
    ctx.record(Role::kGlr, {in.k, in.v}, out, {in.time_decay, in.time_first});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule, ctx.options().grads); },
                    std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
