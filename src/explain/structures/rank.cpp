// State [K, V] per head, r erase and write steps a token (row + rank r), with a diagonal on the values.

#include <algorithm>

#include "core/ops/glr_heads.h"
#include "core/ops/glr_rank.h"
#include "explain/residual.h"
#include "explain/structures.h"
#include "kernels/glr/extended.h"
#include "kernels/glr/head_transition.h"

namespace hindscan {

namespace {

namespace glr = kernels::glr;

// Reads once and writes r times a token; what a channel's value is multiplied by as it is written counts as its slope.
template <class R>
class RankWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return dims_.H; }
  double entry_flops() const override { return 2.0 * static_cast<double>(dims_.H * dims_.K * dims_.r * dims_.r); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    if (this->folds_in()) return MapWindow<R>::tile(kind, map, I, J, out);
    glr::rank_tile(dims(), coeffs(), head_map(kind), map, -1, {I.begin, I.end}, {J.begin, J.end}, out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive) return false;
    glr::rank_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }

 private:
  int64_t writes() const override { return dims_.r; }
  glr::RankDims dims() const {
    glr::RankDims d = dims_;
    d.T = this->tokens_;
    return d;
  }
  glr::RankCoeffs<R> coeffs() const {
    glr::RankCoeffs<R> c = like_;
    c.steps.q = q_.data();
    c.steps.k = k_.data();
    c.steps.g = this->maybe(g_);
    c.steps.s = this->maybe(s_);
    c.steps.b = b_.data();
    c.steps.c = c_.data();
    c.d = this->maybe(d_);
    return c;
  }
  size_t own_bytes() const override {
    return (q_.size() + k_.size() + g_.size() + s_.size() + b_.size() + c_.size() + d_.size()) * sizeof(R);
  }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<RankDetail<R>>(detail);
    const int64_t r = d.dims.r, first = from * r, last = to * r, key = d.dims.key(), value = d.dims.value();
    dims_ = d.dims;
    like_ = d.coeffs;
    this->append_rows(d.coeffs.steps.q, first, last, key, q_);
    this->append_rows(d.coeffs.steps.k, first, last, key, k_);
    this->append_rows(d.coeffs.steps.g, first, last, d.coeffs.decays(d.dims), g_);
    this->append_rows(d.coeffs.steps.s, first, last, d.dims.H, s_);
    this->append_rows(d.coeffs.steps.b, first, last, key, b_);
    this->append_rows(d.coeffs.steps.c, first, last, key, c_);
    if (!this->fold_) return this->append_rows(d.coeffs.d, first, last, value, d_);
    like_.d = nullptr;
    if (d.coeffs.d == nullptr) return;
    const size_t n = static_cast<size_t>((to - from) * r * value), all = static_cast<size_t>(this->tokens_ * r * value);
    this->slope_.resize(all, R(1));
    for (size_t i = 0; i < n; ++i) this->slope_[all - n + i] *= d.coeffs.d[first * value + static_cast<int64_t>(i)];
  }
  void one(int64_t map, int64_t, int64_t write, TokenRange I, TokenRange J, R* out) const override {
    glr::rank_tile(dims(), coeffs(), glr::HeadMap::kOne, map, write, {I.begin, I.end}, {J.begin, J.end}, out);
  }

  glr::RankDims dims_{};
  glr::RankCoeffs<R> like_{};                 // shapes
  std::vector<R> q_, k_, g_, s_, b_, c_, d_;  // per step, as the kernels take them
};

// One map per head, the mean over its channels.
template <class R>
class RankView final : public MixerView<R> {
 public:
  RankView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator);
  int64_t maps() const override { return d_.dims.H; }
  int64_t channels() const override { return d_.dims.value(); }
  int64_t writes() const override { return d_.dims.r; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override { this->weighted_rows(w, channels(), d_.y, out); }
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool lead(int64_t t, Transition<R>& to) const override;
  void carry(const Transition<R>& to, R* change) const override;
  std::unique_ptr<MapWindow<R>> window(bool fold, Estimator) const override {
    return std::make_unique<RankWindow<R>>(fold);
  }

 private:
  glr::RankDims dims_of(const Segment& g) const {
    glr::RankDims d = d_.dims;
    d.T = g.end - g.begin;
    return d;
  }
  glr::RankCoeffs<R> at(int64_t t) const { return glr::at_token(d_.dims, d_.coeffs, t); }
  // w [T] of every head, or null -> alpha [T, r, H], without the diagonal
  std::vector<R> times(const R* w, RowCarry<R>& carry) const;
  double diagonal(int64_t write, int64_t channel) const {
    return d_.coeffs.d == nullptr ? 1.0 : static_cast<double>(d_.coeffs.d[write * d_.dims.value() + channel]);
  }
  double mean_diagonal(int64_t write, int64_t head) const;
  const RankDetail<R>& d_;
  const R* state_;  // [H, K, V] before the chunk, or null
};

template <class R>
StructureName rank_name(const RankDetail<R>& d) {
  if (d.dims.r == 1) return {"glr.rank_r", "recurrence that erases and writes with gates of their own", "", ""};
  return {"glr.rank_r", "recurrence that erases and writes several times a token", "", ""};
}

template <class R>
RankView<R>::RankView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator)
    : MixerView<R>(ctx, scope, core, rank_name(detail_as<RankDetail<R>>(*ctx.nodes()[core].mixer))),
      d_(detail_as<RankDetail<R>>(*ctx.nodes()[core].mixer)),
      state_(static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape))) {}

template <class R>
double RankView<R>::mean_diagonal(int64_t write, int64_t head) const {
  if (d_.coeffs.d == nullptr) return 1;
  const int64_t V = d_.dims.V;
  double sum = 0;
  for (int64_t n = head * V; n < (head + 1) * V; ++n) sum += diagonal(write, n);
  return sum / static_cast<double>(V);
}

template <class R>
std::vector<R> RankView<R>::times(const R* w, RowCarry<R>& carry) const {
  const int64_t T = d_.dims.T, H = d_.dims.H, W = d_.dims.r * H;
  std::vector<R> weights, alpha(static_cast<size_t>(T * W));
  if (w != nullptr) {
    weights.resize(static_cast<size_t>(T * H));
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = w[i / static_cast<size_t>(H)];
  }
  this->each_segment_back(carry.numbers, static_cast<size_t>(d_.dims.key()), [&](const Segment& g, size_t, R* S) {
    glr::rank_row_times(dims_of(g), at(g.begin), w == nullptr ? nullptr : weights.data() + g.begin * H, S,
                        alpha.data() + g.begin * W);
  });
  return alpha;
}

template <class R>
void RankView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const auto [T, H, K, V, r] = d_.dims;
  const std::vector<R> alpha = times(w, carry);
  std::fill_n(out, T * H, R(0));
  for (int64_t i = 0; i < T * r * H; ++i) {
    const int64_t write = i / H, h = i % H;
    const double a = static_cast<double>(alpha[static_cast<size_t>(i)]);
    out[write / r * H + h] += static_cast<R>(a * mean_diagonal(write, h) / static_cast<double>(r));
    for (int64_t n = h * V; n < (h + 1) * V; ++n)
      missing[n] -= a * diagonal(write, n) * static_cast<double>(d_.v[write * H * V + n]);
  }
}

template <class R>
void RankView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  if (state_ == nullptr) return;
  const int64_t K = d_.dims.K, V = d_.dims.V;
  for (int64_t i = 0; i < d_.dims.key(); ++i) {
    const double a = static_cast<double>(carry.numbers[static_cast<size_t>(i)]);
    for (int64_t n = 0; n < V; ++n) out[i / K * V + n] += a * static_cast<double>(state_[i * V + n]);
  }
}

template <class R>
void RankView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  const std::vector<R> alpha = times(r, carry);  // [T, steps, H]
  const int64_t H = d_.dims.H, maps = d_.dims.r * H;
  for (int64_t t = 0; t < d_.dims.T; ++t) {
    double sum = 0;
    for (int64_t i = t * maps; i < (t + 1) * maps; ++i)
      sum += static_cast<double>(alpha[static_cast<size_t>(i)]) * mean_diagonal(i / H, i % H);
    out[t] = static_cast<R>(sum / static_cast<double>(maps));
  }
}

// y [T r, H, V] of every step, zero but at last steps.
void residual_of(const glr::HeadDims& d, const glr::HeadCoeffs<float>& c, const float* v, double* S, const float* y,
                 double* residual) {
  glr::head_forward_residual(d, c, v, S, y, residual);
}

void residual_of(const glr::HeadDims& d, const glr::HeadCoeffs<double>& c, const double* v, double* S, const double* y,
                 double* residual) {
  std::vector<double> reference(static_cast<size_t>(d.T * d.H * d.V));  // [T r, H, V]
  glr::head_forward_extended(d, c, v, S, reference.data());
  relative_rows(d.T, d.H * d.V, y, reference.data(), residual);
}

template <class R>
void RankView<R>::forward_residual(std::vector<double>& S, double* residual) const {
  const auto& d = d_.dims;
  if (S.empty()) {
    S.assign(static_cast<size_t>(d.key() * d.V), 0.0);
    if (state_ != nullptr) std::copy(state_, state_ + S.size(), S.begin());
  }
  for (const Segment& g : this->segments_) {
    if (!g.carries_in) std::fill(S.begin(), S.end(), 0.0);
    const glr::RankDims here = dims_of(g);
    const glr::RankCoeffs<R> c = at(g.begin);
    const R* v = d_.v + g.begin * d.r * d.value();
    const std::vector<R> y = glr::last_steps(here, d.value(), d_.y + g.begin * d.value());
    std::vector<R> room(static_cast<size_t>(here.T * d.r * d.value()));  // [T, r, H, V]
    std::vector<double> of_steps(static_cast<size_t>(here.T * d.r));
    residual_of(here.steps(), c.steps, glr::written_values(here, c, v, room.data()), S.data(), y.data(),
                of_steps.data());
    for (int64_t t = 0; t < here.T; ++t) residual[g.begin + t] = of_steps[static_cast<size_t>((t + 1) * d.r - 1)];
  }
}

template <class R>
bool RankView<R>::lead(int64_t t, Transition<R>& to) const {
  const HeadPass<R> steps{d_.dims.steps(), d_.coeffs.steps, nullptr};
  for (int64_t i = d_.dims.r; i-- > 0;) glr::lead_transition(steps.dims, steps.at(t * d_.dims.r + i), to.numbers);
  if (this->starts_anew(t)) glr::forget_before(d_.coeffs.steps, to.numbers);
  return true;
}

template <class R>
void RankView<R>::carry(const Transition<R>& to, R* change) const {
  glr::apply_transition(d_.dims.steps(), d_.coeffs.steps, to.numbers, change);
}

}  // namespace

HS_STRUCTURE_VIEW(rank, RankView)

}  // namespace hindscan
