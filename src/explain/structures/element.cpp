// Element structure: one map per channel, N states each, a decay for each state and channel (Mamba-1).
#include <algorithm>
#include <limits>

#include "explain/residual.h"
#include "explain/structures.h"
#include "kernels/glr/extended.h"
#include "kernels/pointwise.h"

namespace hindscan {

namespace glr = kernels::glr;

namespace {

glr::ElementMap element_map(MapKind kind) {
  switch (kind) {
    case MapKind::kAbs:
      return glr::ElementMap::kMeanAbs;
    case MapKind::kPositive:
      return glr::ElementMap::kMeanPositive;
    case MapKind::kChannel:
      return glr::ElementMap::kChannel;
    case MapKind::kMean:
      break;
  }
  return glr::ElementMap::kMean;
}

template <class R>
class ElementWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return D_; }
  double entry_flops() const override { return 2.0 * static_cast<double>(D_ * N_); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    const glr::ElementMixer<R> mixer{this->maybe(this->gate_), this->maybe(this->slope_), this->maybe(this->conv_),
                                     this->K_};
    glr::element_tile(dims(), coeffs(), element_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, mixer, out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive) return false;
    glr::element_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }
  bool block_bounds(MapKind kind, const int64_t* edges, int64_t blocks, R* lower, R* upper) const override {
    if (this->fold_ || (kind != MapKind::kAbs && kind != MapKind::kPositive)) return false;
    glr::element_block_bounds(dims(), coeffs(), element_map(kind), edges, blocks, lower, upper);
    return true;
  }

 private:
  glr::ElementDims dims() const { return {this->tokens_, D_, N_}; }
  glr::ElementCoeffs<R> coeffs() const { return {dt_.data(), A_.data(), B_.data(), C_.data()}; }
  size_t own_bytes() const override { return (dt_.size() + B_.size() + C_.size()) * sizeof(R); }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<ElementDetail<R>>(detail);
    const auto& c = d.coeffs;
    D_ = d.dims.D;
    N_ = d.dims.N;
    A_.assign(c.A, c.A + D_ * N_);
    this->append_rows(c.dt, from, to, D_, dt_);
    this->append_rows(c.B, from, to, N_, B_);
    this->append_rows(c.C, from, to, N_, C_);
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    glr::element_tile(dims(), coeffs(), glr::ElementMap::kChannel, map, {I.begin, I.end}, {J.begin, J.end}, {}, out);
  }

  int64_t D_ = 0, N_ = 0;
  std::vector<R> dt_, A_, B_, C_;  // [T, D], [D, N], [T, N], [T, N]
};

template <class R>
class ElementView final : public MixerView<R> {
 public:
  ElementView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator);
  int64_t maps() const override { return d_.dims.D; }
  int64_t channels() const override { return d_.dims.D; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  bool row_without_own_step(const R* w, RowCarry<R>& carry, R* out) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override { this->weighted_rows(w, d_.dims.D, d_.y, out); }
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool lead(int64_t t, Transition<R>& to) const override;
  void carry(const Transition<R>& to, R* change) const override;
  std::unique_ptr<MapWindow<R>> window(bool fold, Estimator) const override {
    return std::make_unique<ElementWindow<R>>(fold);
  }

 private:
  glr::ElementDims dims_of(const Segment& g) const { return {g.end - g.begin, d_.dims.D, d_.dims.N}; }
  glr::ElementCoeffs<R> at(int64_t t) const;
  // The rows that w weighs, with steps of one's own.
  void rows_of(const R* w, const R* dt, RowCarry<R>& carry, R* out) const;
  const ElementDetail<R>& d_;
  const R* state_;  // [D, N] before the chunk, or null
};

template <class R>
ElementView<R>::ElementView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator)
    : MixerView<R>(ctx, scope, core, {"glr.element", "recurrence with a decay for each state and channel", "", ""}),
      d_(detail_as<ElementDetail<R>>(*ctx.nodes()[core].mixer)),
      state_(static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape))) {}

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
void ElementView<R>::rows_of(const R* w, const R* dt, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> dy(static_cast<size_t>(T * D), R(0));  // [T, D]
  for (int64_t t = 0; w != nullptr && t < T; ++t) std::fill_n(dy.begin() + t * D, D, w[t]);
  std::fill_n(out, T * D, R(0));
  this->each_segment_back(carry.numbers, static_cast<size_t>(D * d_.dims.N), [&](const Segment& g, size_t, R* L) {
    glr::ElementCoeffs<R> coeffs = at(g.begin);
    coeffs.dt = dt + g.begin * D;
    glr::element_value_adjoint(dims_of(g), coeffs, dy.data() + g.begin * D, L, out + g.begin * D);
  });
}

// A step of no length neither decays nor writes.
template <class R>
bool ElementView<R>::row_without_own_step(const R* w, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> dt(d_.coeffs.dt, d_.coeffs.dt + T * D);  // [T, D]
  for (int64_t t = 0; w != nullptr && t < T; ++t) {
    if (w[t] != R(0)) std::fill_n(dt.begin() + t * D, D, R(0));
  }
  rows_of(w, dt.data(), carry, out);
  return true;
}

template <class R>
void ElementView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  rows_of(w, d_.coeffs.dt, carry, out);
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

void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<float>& c, const float* x, double* S,
                 const float* y, double* residual) {
  glr::element_forward_residual(dims, c, x, S, y, residual);
}

void residual_of(const glr::ElementDims& dims, const glr::ElementCoeffs<double>& c, const double* x, double* S,
                 const double* y, double* residual) {
  std::vector<double> reference(static_cast<size_t>(dims.T * dims.D));  // [T, D]
  glr::element_forward_extended(dims, c, x, S, reference.data());
  relative_rows(dims.T, dims.D, y, reference.data(), residual);
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

// The sum of the steps, [D].
template <class R>
bool ElementView<R>::lead(int64_t t, Transition<R>& to) const {
  to.numbers.resize(static_cast<size_t>(d_.dims.D), R(0));
  const R* dt = d_.coeffs.dt + t * d_.dims.D;
  for (size_t d = 0; d < to.numbers.size(); ++d)
    to.numbers[d] += this->starts_anew(t) ? std::numeric_limits<R>::infinity() : dt[d];
  return true;
}

template <class R>
void ElementView<R>::carry(const Transition<R>& to, R* change) const {
  const int64_t N = d_.dims.N, n = std::ssize(to.numbers) * N;
  std::vector<R> factor(static_cast<size_t>(n));  // [D, N] minus the decay
  for (size_t d = 0; d < to.numbers.size(); ++d) {
    const size_t at = d * static_cast<size_t>(N);
    for (size_t i = at; i < at + static_cast<size_t>(N); ++i) factor[i] = to.numbers[d] * d_.coeffs.A[i];
  }
  kernels::neg_exp(n, factor.data(), factor.data());
  for (int64_t i = 0; i < n; ++i) change[i] *= -factor[static_cast<size_t>(i)];
}

}  // namespace

HS_STRUCTURE_VIEW(element, ElementView)

}  // namespace hindscan
