// Channel structure: one map per channel, one state each (RG-LRU, HGRN, RWKV-4 with its carried denominator).
#include <algorithm>
#include <cmath>
#include <limits>

#include "explain/residual.h"
#include "explain/structures.h"
#include "explain/structures/state_frame.h"

namespace hindscan {

namespace glr = kernels::glr;

namespace {

template <class R>
class ChannelWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return D_; }
  double entry_flops() const override { return 4.0 * static_cast<double>(D_); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    if (this->folds_in()) return MapWindow<R>::tile(kind, map, I, J, out);
    glr::channel_tile(dims(), coeffs(), head_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_ || kind == MapKind::kAbs || kind == MapKind::kPositive || !inverse_.empty()) return false;
    glr::channel_block_sums(dims(), coeffs(), kind == MapKind::kChannel ? map : -1, edges, blocks, out);
    return true;
  }

 private:
  glr::ChannelDims dims() const { return {this->tokens_, D_}; }
  glr::ChannelCoeffs<R> coeffs() const { return {g_.data(), this->maybe(w_), this->maybe(r_), read_, this->maybe(u_)}; }
  glr::HeadTileFold<R> divided() const { return {this->maybe(inverse_), nullptr}; }
  size_t own_bytes() const override {
    return (g_.size() + w_.size() + r_.size() + u_.size() + inverse_.size()) * sizeof(R);
  }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<ChannelDetail<R>>(detail);
    D_ = d.dims.D;
    read_ = d.coeffs.read;
    this->append_rows(d.coeffs.g, from, to, D_, g_);
    this->append_rows(d.coeffs.w, from, to, D_, w_);
    this->append_rows(d.coeffs.r, from, to, D_, r_);
    this->append_rows(d.coeffs.u, from, to, D_, u_);
    for (int64_t i = from * D_; d.divisor != nullptr && i < to * D_; ++i) inverse_.push_back(R(1) / d.divisor[i]);
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    glr::channel_tile(dims(), coeffs(), glr::HeadMap::kOne, map, {I.begin, I.end}, {J.begin, J.end}, divided(), out);
  }

  int64_t D_ = 0;
  glr::Read read_ = glr::Read::kAfter;
  std::vector<R> g_, w_, r_, u_, inverse_;  // [T, D]; inverse: of the divisor
};

template <class R>
class ChannelView final : public MixerView<R> {
 public:
  ChannelView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator);
  int64_t maps() const override { return d_.dims.D; }
  int64_t channels() const override { return d_.dims.D; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override { this->weighted_rows(w, d_.dims.D, d_.y, out); }
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool lead(int64_t t, Transition<R>& to) const override;
  void carry(const Transition<R>& to, R* change) const override;
  std::vector<std::string> states() const override {
    if (d_.divisor == nullptr) return {this->state()};
    return {this->state(), this->state() + ".den"};
  }
  void align(SequenceState& edited, const SequenceState& to) const override {
    if (d_.divisor != nullptr) align_to_maximum<R>(edited, to, states(), this->state() + ".max");
  }
  std::unique_ptr<MapWindow<R>> window(bool fold, Estimator) const override {
    return std::make_unique<ChannelWindow<R>>(fold);
  }

 private:
  void times(const R* w, RowCarry<R>& carry, R* out) const;  // [T, D]
  const ChannelDetail<R>& d_;
  const R* state_;  // [D] before the chunk, or null
};

StructureName channel_name(bool divided) {
  if (!divided) return {"glr.channel", "recurrence with one state for each channel", "", ""};
  return {"glr.channel", "recurrence with one state for each channel", "normaliser frozen",
          "what the output is divided by counts as the constant it was on this text"};
}

template <class R>
ChannelView<R>::ChannelView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator)
    : MixerView<R>(ctx, scope, core,
                   channel_name(detail_as<ChannelDetail<R>>(*ctx.nodes()[core].mixer).divisor != nullptr)),
      d_(detail_as<ChannelDetail<R>>(*ctx.nodes()[core].mixer)),
      state_(static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape))) {}

template <class R>
glr::ChannelCoeffs<R> coeffs_at(const glr::ChannelCoeffs<R>& c, int64_t at) {
  const auto step = [at](const R* p) { return p == nullptr ? nullptr : p + at; };
  return {c.g + at, step(c.w), step(c.r), c.read, step(c.u)};
}

template <class R>
void ChannelView<R>::times(const R* w, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> x(static_cast<size_t>(w == nullptr ? 0 : T * D));  // [T, D]
  for (size_t i = 0; w != nullptr && i < x.size(); ++i) {
    const R weight = w[static_cast<int64_t>(i) / D];
    x[i] = weight == R(0) ? R(0) : d_.divisor == nullptr ? weight : weight / d_.divisor[i];
  }
  this->each_segment_back(carry.numbers, static_cast<size_t>(D), [&](const Segment& g, size_t, R* S) {
    glr::channel_row_times({g.end - g.begin, D}, coeffs_at(d_.coeffs, g.begin * D),
                           x.empty() ? nullptr : x.data() + g.begin * D, S, out + g.begin * D);
  });
}

template <class R>
void ChannelView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  times(w, carry, out);
  const int64_t D = d_.dims.D;
  for (int64_t i = 0; i < d_.dims.T * D; ++i)
    missing[i % D] -= static_cast<double>(out[i]) * static_cast<double>(d_.v[i]);
}

template <class R>
void ChannelView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  for (int64_t d = 0; state_ != nullptr && d < d_.dims.D; ++d)
    out[d] += static_cast<double>(carry.numbers[static_cast<size_t>(d)]) * static_cast<double>(state_[d]);
}

template <class R>
void ChannelView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> rows(static_cast<size_t>(T * D));  // [T, D]
  times(r, carry, rows.data());
  for (int64_t t = 0; t < T; ++t) {
    double sum = 0;
    for (int64_t d = 0; d < D; ++d) sum += static_cast<double>(rows[static_cast<size_t>(t * D + d)]);
    out[t] = static_cast<R>(sum / static_cast<double>(D));
  }
}

template <class R>
void ChannelView<R>::forward_residual(std::vector<double>& S, double* residual) const {
  const int64_t D = d_.dims.D;
  const auto& c = d_.coeffs;
  if (S.empty()) {
    S.assign(static_cast<size_t>(D), 0.0);
    if (state_ != nullptr) std::copy(state_, state_ + D, S.begin());
  }
  using Wide = long double;  // of a double pass too, the residual is not its own rounding
  const auto value = [](const R* p, int64_t i) { return p == nullptr ? Wide{1} : Wide{p[i]}; };
  for (const Segment& g : this->segments_) {
    if (!g.carries_in) std::fill(S.begin(), S.end(), 0.0);
    for (int64_t t = g.begin; t < g.end; ++t) {
      double error = 0, norm = 0;
      for (int64_t d = 0; d < D; ++d) {
        const int64_t i = t * D + d;
        const Wide before = S[static_cast<size_t>(d)], v = d_.v[i];
        const Wide state = (before == 0 ? 0 : std::exp(Wide{c.g[i]}) * before) + value(c.w, i) * v;
        S[static_cast<size_t>(d)] = static_cast<double>(state);
        Wide y = value(c.r, i) * (c.read == glr::Read::kAfter ? state : before);
        if (c.read == glr::Read::kBefore && c.u != nullptr) y += Wide{c.u[i]} * v;
        y /= value(d_.divisor, i);
        const auto off = static_cast<double>(y - Wide{d_.y[i]}), ref = static_cast<double>(y);
        error += off * off;
        norm += ref * ref;
      }
      residual[t] = relative(error, norm);
    }
  }
}

// The sum of the logarithms, [D].
template <class R>
bool ChannelView<R>::lead(int64_t t, Transition<R>& to) const {
  to.numbers.resize(static_cast<size_t>(d_.dims.D), R(0));
  const R* g = d_.coeffs.g + t * d_.dims.D;
  for (size_t d = 0; d < to.numbers.size(); ++d)
    to.numbers[d] += this->starts_anew(t) ? -std::numeric_limits<R>::infinity() : g[d];
  return true;
}

template <class R>
void ChannelView<R>::carry(const Transition<R>& to, R* change) const {
  for (size_t d = 0; d < to.numbers.size(); ++d) change[d] *= std::exp(to.numbers[d]);
}

}  // namespace

HS_STRUCTURE_VIEW(channel, ChannelView)

}  // namespace hindscan
