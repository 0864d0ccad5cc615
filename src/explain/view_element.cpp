// Element structure: coefficients as the kernels take them.
#include <algorithm>
#include <cmath>

#include "explain/views.h"
#include "kernels/glr/extended.h"

namespace hindscan {

namespace glr = kernels::glr;

template <class R>
ElementView<R>::ElementView(const Ctx& ctx, const MixerScope& scope, size_t core)
    : MixerView<R>(ctx, scope, core), d_(static_cast<const ElementDetail<R>&>(*ctx.nodes()[core].mixer)) {
  this->kind = "glr.element";
  state_ = static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape));
}

template <class R>
glr::ElementCoeffs<R> ElementView<R>::at(int64_t t) const {
  const auto& c = d_.coeffs;
  return {c.dt + t * d_.dims.D, c.A, c.B + t * d_.dims.N, c.C + t * d_.dims.N};
}

template <class R>
void ElementView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  this->each_segment_back(carry.numbers, static_cast<size_t>(d_.dims.D * d_.dims.N),
                          [&](const Segment& g, size_t, R* L) {
                            glr::element_row_times_mean(dims_of(g), at(g.begin), r + g.begin, L, out + g.begin);
                          });
}

template <class R>
void ElementView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> dy(static_cast<size_t>(T * D), R(0));  // [T, D]
  for (int64_t t = 0; w != nullptr && t < T; ++t) std::fill_n(dy.begin() + t * D, D, w[t]);
  std::fill_n(out, T * D, R(0));
  this->each_segment_back(carry.numbers, static_cast<size_t>(D * d_.dims.N), [&](const Segment& g, size_t, R* L) {
    glr::element_value_adjoint(dims_of(g), at(g.begin), dy.data() + g.begin * D, L, out + g.begin * D);
  });
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t d = 0; d < D; ++d) {
      missing[d] -= static_cast<double>(out[t * D + d]) * static_cast<double>(d_.v[t * D + d]);
    }
  }
}

template <class R>
void ElementView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  if (state_ == nullptr) return;
  const int64_t N = d_.dims.N;
  for (int64_t d = 0; d < d_.dims.D; ++d) {
    for (int64_t n = d * N; n < (d + 1) * N; ++n)
      out[d] += static_cast<double>(carry.numbers[static_cast<size_t>(n)]) * static_cast<double>(state_[n]);
  }
}

template <class R>
void ElementView<R>::weighted_output(const R* w, double* out) const {
  const int64_t D = d_.dims.D;
  std::fill_n(out, D, 0.0);
  for (int64_t t = 0; t < d_.dims.T; ++t) {
    for (int64_t d = 0; w[t] != R(0) && d < D; ++d)
      out[d] += static_cast<double>(w[t]) * static_cast<double>(d_.y[t * D + d]);
  }
}

static void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<float>& c, const float* x, double* S,
                        const float* y, double* residual) {
  glr::element_forward_residual(dims, c, x, S, y, residual);
}

static void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<double>& c, const double* x, double* S,
                        const double* y, double* residual) {
  std::vector<double> reference(static_cast<size_t>(dims.T * dims.D));  // [T, D]
  glr::element_forward_extended(dims, c, x, S, reference.data());
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
    S.assign(static_cast<size_t>(d_.dims.D * d_.dims.N), 0.0);
    if (state_ != nullptr) std::copy(state_, state_ + S.size(), S.begin());
  }
  for (const Segment& g : this->segments_) {
    if (!g.carries_in) std::fill(S.begin(), S.end(), 0.0);
    const int64_t at_value = g.begin * d_.dims.D;
    residual_of(dims_of(g), at(g.begin), d_.v + at_value, S.data(), d_.y + at_value, residual + g.begin);
  }
}

template class ElementView<float>;
template class ElementView<double>;

}  // namespace hindscan
