// Softmax attention: a row is the probabilities of one token over all cached tokens.
#include <algorithm>
#include <cmath>

#include "explain/residual.h"
#include "explain/structures.h"
#include "explain/structures/softmax_reads.h"

namespace hindscan {

namespace {

template <class R>
class SoftmaxWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return dims_.heads; }
  double entry_flops() const override { return 2.0 * static_cast<double>(dims_.heads * dims_.d); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    if (this->folds_in()) return MapWindow<R>::tile(kind, map, I, J, out);
    kernels::attention_tile(dims(), inputs(), lse_.data(), head_map(kind), map, {I.begin, I.end}, {J.begin, J.end}, {},
                            out);
  }
  // Weights are not negative, so every map kind has the same sums.
  bool block_sums(MapKind kind, int64_t map, const int64_t* edges, int64_t blocks, R* out) const override {
    if (this->fold_) return false;
    kernels::attention_block_sums(dims(), inputs(), lse_.data(), kind == MapKind::kChannel ? map : -1, edges, blocks,
                                  edges, blocks, out);
    return true;
  }

 private:
  kernels::AttentionDims dims() const {
    kernels::AttentionDims d = dims_;
    d.T = this->tokens_;
    d.past = 0;  // the sums over all keys are known
    return d;
  }
  kernels::AttentionInputs<R> inputs() const { return {q_.data(), k_.data(), nullptr}; }
  size_t own_bytes() const override { return (q_.size() + k_.size() + lse_.size()) * sizeof(R); }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<SoftmaxDetail<R>>(detail);
    dims_ = d.dims();
    this->append_rows(d.q, from, to, d.heads * d.d, q_);
    this->append_rows(d.k, d.past + from, d.past + to, d.kv_heads * d.d, k_);
    this->append_rows(d.lse, from, to, d.heads, lse_);
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    kernels::attention_weights(dims(), inputs(), lse_.data(), map, {I.begin, I.end}, {J.begin, J.end}, out);
  }

  kernels::AttentionDims dims_;
  std::vector<R> q_, k_, lse_;  // [T, heads*d], [T, kv_heads*d], [T, heads]
};

// One map per head over all cached tokens. A row is linear in their number, a row product quadratic.
template <class R>
class SoftmaxView final : public MixerView<R> {
 public:
  SoftmaxView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator)
      : MixerView<R>(ctx, scope, core, {"softmax", "attention", "", ""}),
        d_(detail_as<SoftmaxDetail<R>>(*ctx.nodes()[core].mixer)) {}
  int64_t maps() const override { return d_.heads; }
  int64_t channels() const override { return d_.heads * d_.d_v; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override { this->weighted_rows(w, channels(), d_.y, out); }
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool lead(int64_t, Transition<R>&) const override { return false; }
  void carry(const Transition<R>&, R*) const override {}
  std::unique_ptr<MapWindow<R>> window(bool fold, Estimator) const override {
    return std::make_unique<SoftmaxWindow<R>>(fold);
  }
  void add_reads(Ctx& ctx, int64_t first, std::unique_ptr<LaterReads<R>>& reads) const override {
    if (reads == nullptr) reads = std::make_unique<SoftmaxReads<R>>();
    static_cast<SoftmaxReads<R>&>(*reads).add(d_, ctx.grad<R>(ctx.nodes()[this->ops_.core].out), first);
  }
  MixerCost cost() const override {
    return {d_.window > 0 ? 0.0 : 2.0 * static_cast<double>(d_.heads * (d_.d + d_.d_v)),
            d_.kv_heads * (d_.d + d_.d_v) * static_cast<int64_t>(sizeof(R)), d_.window};
  }

 private:
  // p[k - first] for keys first..past + t of row t; returns first.
  int64_t probabilities(int64_t t, int64_t head, std::vector<double>& p) const;
  bool one_segment() const;
  void add_rows(const R* w, std::vector<double>& sums) const;
  std::vector<double> row_sums(const R* w, std::vector<double> sums) const;  // sums [past + T, heads] plus w^T p
  const SoftmaxDetail<R>& d_;
};

template <class R>
int64_t SoftmaxView<R>::probabilities(int64_t t, int64_t head, std::vector<double>& p) const {
  int64_t first = d_.window > 0 ? std::max<int64_t>(0, d_.past + t - d_.window + 1) : 0;
  for (const Segment& g : this->segments_) {
    if (!g.carries_in && t >= g.begin) first = std::max(first, d_.past + g.begin);
  }
  const int64_t last = d_.past + t, kv = head / (d_.heads / d_.kv_heads);
  const R* q = d_.q + (t * d_.heads + head) * d_.d;
  p.resize(static_cast<size_t>(last + 1 - first));
  double top = -1e300, sum = 0;
  for (int64_t key = first; key <= last; ++key) {
    const R* k = d_.k + (key * d_.kv_heads + kv) * d_.d;
    double score = 0;
    for (int64_t i = 0; i < d_.d; ++i) score += static_cast<double>(q[i]) * static_cast<double>(k[i]);
    score *= d_.scale;
    if (d_.soft_cap > 0) score = d_.soft_cap * std::tanh(score / d_.soft_cap);
    p[static_cast<size_t>(key - first)] = score;
    top = std::max(top, score);
  }
  for (double& v : p) sum += v = std::exp(v - top);
  for (double& v : p) v /= sum;
  return first;
}

// Carry and sums are laid out [keys, width], width heads or one.
template <class R>
std::vector<double> start_sums(const RowCarry<R>& carry, int64_t keys, int64_t width) {
  std::vector<double> sums(static_cast<size_t>(keys * width), 0.0);
  const size_t n = std::min(carry.numbers.size(), sums.size());
  std::copy_n(carry.numbers.end() - static_cast<std::ptrdiff_t>(n), n, sums.end() - static_cast<std::ptrdiff_t>(n));
  return sums;
}

template <class R>
void split_sums(const std::vector<double>& sums, int64_t past, int64_t width, RowCarry<R>& carry, R* out) {
  const auto cut = sums.begin() + past * width;
  carry.numbers.assign(sums.begin(), cut);
  std::transform(cut, sums.end(), out, [](double v) { return static_cast<R>(v); });
}

template <class R>
bool SoftmaxView<R>::one_segment() const {
  return this->segments_.size() == 1 && (this->segments_[0].carries_in || d_.past == 0);
}

// sums [past + T, heads] += w^T p
template <class R>
void SoftmaxView<R>::add_rows(const R* w, std::vector<double>& sums) const {
  constexpr int64_t kSingleRows = 4;  // more are taken together
  const int64_t count = std::count_if(w, w + d_.T, [](R v) { return v != R(0); });
  std::vector<R> p(static_cast<size_t>((d_.past + d_.T) * (count > kSingleRows ? d_.heads : 1)));
  if (count > kSingleRows) {
    std::vector<R> weights(static_cast<size_t>(d_.T * d_.heads));  // [T, heads]
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = w[static_cast<int64_t>(i) / d_.heads];
    kernels::attention_row_times(d_.dims(), d_.inputs(), d_.lse, weights.data(), p.data());
    for (size_t i = 0; i < p.size(); ++i) sums[i] += static_cast<double>(p[i]);
    return;
  }
  for (int64_t t = 0; t < d_.T; ++t) {
    for (int64_t h = 0; w[t] != R(0) && h < d_.heads; ++h) {
      kernels::attention_row(d_.dims(), d_.inputs(), d_.lse, h, t, p.data());
      for (size_t j = 0; j < p.size(); ++j)
        sums[j * static_cast<size_t>(d_.heads) + static_cast<size_t>(h)] +=
            static_cast<double>(w[t]) * static_cast<double>(p[j]);
    }
  }
}

template <class R>
std::vector<double> SoftmaxView<R>::row_sums(const R* w, std::vector<double> sums) const {
  if (w == nullptr) return sums;
  if (one_segment()) {
    add_rows(w, sums);
    return sums;
  }
  std::vector<double> p;
  for (int64_t t = 0; t < d_.T; ++t) {
    for (int64_t h = 0; w[t] != R(0) && h < d_.heads; ++h) {
      const int64_t first = probabilities(t, h, p);
      for (size_t i = 0; i < p.size(); ++i)
        sums[static_cast<size_t>((first + static_cast<int64_t>(i)) * d_.heads + h)] += static_cast<double>(w[t]) * p[i];
    }
  }
  return sums;
}

template <class R>
void SoftmaxView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const std::vector<double> sums = row_sums(w, start_sums(carry, d_.past + d_.T, d_.heads));  // [past + T, heads]
  split_sums(sums, d_.past, d_.heads, carry, out);
  for (int64_t i = 0; i < d_.T * d_.heads; ++i) {
    const int64_t h = i % d_.heads, kv = h / (d_.heads / d_.kv_heads);
    const R* v = d_.v + ((d_.past + i / d_.heads) * d_.kv_heads + kv) * d_.d_v;
    for (int64_t e = 0; e < d_.d_v; ++e)
      missing[h * d_.d_v + e] -= static_cast<double>(out[i]) * static_cast<double>(v[e]);
  }
}

template <class R>
void SoftmaxView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  for (int64_t i = 0; i < d_.past * d_.heads; ++i) {
    const int64_t h = i % d_.heads, kv = h / (d_.heads / d_.kv_heads);
    const R* v = d_.v + (i / d_.heads * d_.kv_heads + kv) * d_.d_v;
    for (int64_t e = 0; e < d_.d_v; ++e)
      out[h * d_.d_v + e] += static_cast<double>(carry.numbers[static_cast<size_t>(i)]) * static_cast<double>(v[e]);
  }
}

template <class R>
void SoftmaxView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  std::vector<double> mean = start_sums(carry, d_.past + d_.T, 1);  // [past + T]
  const std::vector<double> sums = row_sums(r, std::vector<double>(mean.size() * static_cast<size_t>(d_.heads), 0.0));
  for (size_t i = 0; i < sums.size(); ++i)
    mean[i / static_cast<size_t>(d_.heads)] += sums[i] / static_cast<double>(d_.heads);
  split_sums(mean, d_.past, 1, carry, out);
}

// A few rows of the chunk: every row would make the check quadratic.
template <class R>
void SoftmaxView<R>::forward_residual(std::vector<double>&, double* residual) const {
  constexpr int64_t kRows = 16;
  std::fill_n(residual, d_.T, 0.0);
  const int64_t step = std::max<int64_t>(1, d_.T / kRows);
  std::vector<double> p, reference;  // [keys], [d_v]
  for (int64_t t = d_.T - 1; t >= 0; t -= step) {
    double error = 0, norm = 0;
    for (int64_t h = 0; h < d_.heads; ++h) {
      const int64_t first = probabilities(t, h, p), kv = h / (d_.heads / d_.kv_heads);
      reference.assign(static_cast<size_t>(d_.d_v), 0.0);
      for (size_t i = 0; i < p.size(); ++i) {
        const R* v = d_.v + ((first + static_cast<int64_t>(i)) * d_.kv_heads + kv) * d_.d_v;
        for (int64_t e = 0; e < d_.d_v; ++e) reference[static_cast<size_t>(e)] += p[i] * static_cast<double>(v[e]);
      }
      const R* y = d_.y + (t * d_.heads + h) * d_.d_v;
      for (int64_t e = 0; e < d_.d_v; ++e) {
        const double ref = reference[static_cast<size_t>(e)], off = static_cast<double>(y[e]) - ref;
        error += off * off;
        norm += ref * ref;
      }
    }
    residual[t] = relative(error, norm);
  }
}

}  // namespace

HS_STRUCTURE_VIEW(softmax, SoftmaxView)

}  // namespace hindscan
