#include "explain/mixer_view.h"

#include <algorithm>
#include <cmath>

namespace hindscan {

namespace glr = kernels::glr;

// The op that made v, or npos when v comes from outside the mixer.
static size_t producer(const Ctx& ctx, const MixerScope& scope, Var v, Role role) {
  for (size_t i = scope.first; i < scope.last; ++i) {
    if (ctx.nodes()[i].out == v) return ctx.nodes()[i].role == role ? i : MixerOps::npos;
  }
  return MixerOps::npos;
}

// The op with that role whose first input is v.
static size_t consumer(const Ctx& ctx, const MixerScope& scope, Var v, Role role) {
  for (size_t i = scope.first; i < scope.last; ++i) {
    const OpNode& node = ctx.nodes()[i];
    if (node.role == role && !node.in.empty() && node.in[0] == v) return i;
  }
  return MixerOps::npos;
}

static MixerOps find_ops(const Ctx& ctx, const MixerScope& scope) {
  MixerOps ops;
  for (size_t i = scope.first; i < scope.last; ++i) {
    if (ctx.nodes()[i].role == Role::kGlr) ops.core = i;
  }
  check(ops.core != MixerOps::npos, ErrorCode::kInternal, "[{}] expected a recurrence in the mixer, found none",
        scope.where);
  const OpNode& core = ctx.nodes()[ops.core];
  Var values = core.in[2];
  ops.activation = producer(ctx, scope, values, Role::kActivation);
  if (ops.activation != MixerOps::npos) values = ctx.nodes()[ops.activation].in[0];
  ops.conv = producer(ctx, scope, values, Role::kConv);
  if (ops.conv == MixerOps::npos) ops.activation = MixerOps::npos;
  Var out = core.out;
  ops.skip = consumer(ctx, scope, out, Role::kSkip);
  if (ops.skip != MixerOps::npos) out = ctx.nodes()[ops.skip].out;
  ops.gate = consumer(ctx, scope, out, Role::kGate);
  return ops;
}

template <class R>
ElementView<R>::ElementView(const Ctx& ctx, const MixerScope& scope) : ops_(find_ops(ctx, scope)) {
  check(ctx.segments().size() == 1, ErrorCode::kInternal,
        "[{}] expected one sequence without resets, found {} segments", scope.where, ctx.segments().size());
  this->layer = scope.layer;
  this->kind = scope.kind;
  const OpNode& core = ctx.nodes()[ops_.core];
  const Var q = core.in[0], k = core.in[1], v = core.in[2], dt = core.in[3];
  const Weight& A_log = *core.weights[0];
  dims_ = {ctx.rows(v), ctx.cols(v), ctx.cols(k)};
  A_.resize(static_cast<size_t>(dims_.D * dims_.N));
  std::transform(A_log.as<R>(), A_log.as<R>() + A_.size(), A_.begin(), [](R a) { return -std::exp(a); });
  coeffs_ = {ctx.data<R>(dt), A_.data(), ctx.data<R>(k), ctx.data<R>(q)};
  x_ = ctx.data<R>(v);
  y_ = ctx.data<R>(core.out);
  state_ = static_cast<const R*>(ctx.state_in(0, scope.where + ".glr", {dims_.D, dims_.N}));
}

template <class R>
void ElementView<R>::row_times_mean(const R* r, R* carry, R* out) const {
  glr::element_row_times_mean(dims_, coeffs_, r, carry, out);
}

template <class R>
void ElementView<R>::row(int64_t t, R* carry, R* out) const {
  const size_t n = static_cast<size_t>(dims_.T * dims_.D);
  std::vector<R> dy(n, R(0));  // [T, D] one at the row asked for
  if (t >= 0) std::fill_n(dy.begin() + t * dims_.D, dims_.D, R(1));
  std::fill_n(out, n, R(0));
  glr::element_value_adjoint(dims_, coeffs_, dy.data(), carry, out);
}

template <class R>
void ElementView<R>::add_carried_in(const R* carry, double* out) const {
  if (state_ == nullptr) return;
  for (int64_t d = 0; d < dims_.D; ++d) {
    for (int64_t n = 0; n < dims_.N; ++n) {
      out[d] += static_cast<double>(carry[d * dims_.N + n]) * static_cast<double>(state_[d * dims_.N + n]);
    }
  }
}

static void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<float>& c, const float* x, double* S,
                        const float* y, double* residual) {
  glr::element_forward_residual(dims, c, x, S, y, residual);
}

static void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<double>& c, const double* x, double* S,
                        const double* y, double* residual) {
  std::vector<double> reference(static_cast<size_t>(dims.T * dims.D));  // [T, D]
  glr::element_forward(dims, c, x, S, reference.data());
  for (int64_t t = 0; t < dims.T; ++t) {
    double error = 0, norm = 0;
    for (int64_t i = t * dims.D; i < (t + 1) * dims.D; ++i) {
      const double ref = reference[static_cast<size_t>(i)];
      error += (y[i] - ref) * (y[i] - ref);
      norm += ref * ref;
    }
    residual[t] = error == 0 ? 0 : std::sqrt(error / norm);
  }
}

template <class R>
void ElementView<R>::forward_residual(std::vector<double>& S, double* residual) const {
  if (S.empty()) {
    S.assign(A_.size(), 0.0);
    if (state_ != nullptr) std::copy(state_, state_ + S.size(), S.begin());
  }
  residual_of(dims_, coeffs_, x_, S.data(), y_, residual);
}

template <class R>
std::vector<std::unique_ptr<MixerView<R>>> mixer_views(const Ctx& ctx) {
  std::vector<std::unique_ptr<MixerView<R>>> views;
  for (const MixerScope& scope : ctx.mixers()) {
    check(scope.kind == "glr.element", ErrorCode::kUsage,
          "[explain] layer {} mixes tokens by \"{}\", which has no maps yet", scope.layer, scope.kind);
    views.push_back(std::make_unique<ElementView<R>>(ctx, scope));
  }
  return views;
}

template <class R>
std::vector<R> frozen_slope(Ctx& ctx, const OpNode& activation) {
  const Var in = activation.in[0];
  const size_t n = static_cast<size_t>(ctx.rows(in) * ctx.cols(in));
  ctx.clear_grads();
  std::fill_n(ctx.grad<R>(activation.out), n, R(1));
  activation.backward(frozen_rules());
  std::vector<R> slope(ctx.grad<R>(in), ctx.grad<R>(in) + n);  // [T, C]
  ctx.clear_grads();
  return slope;
}

#define HS_INSTANTIATE(R)                                                         \
  template class ElementView<R>;                                                  \
  template std::vector<std::unique_ptr<MixerView<R>>> mixer_views<R>(const Ctx&); \
  template std::vector<R> frozen_slope<R>(Ctx&, const OpNode&);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
