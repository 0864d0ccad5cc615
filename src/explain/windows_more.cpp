// Windows of the mixers whose rows cost more than a constant per token: softmax attention and non-linear cells.
#include <cmath>
#include <limits>

#include "explain/map_window.h"

namespace hindscan {

namespace {

template <class R>
class SoftmaxWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return d_.heads; }
  double entry_flops() const override { return 4.0 * static_cast<double>(d_.heads * d_.d); }
  bool needs_all_before() const override { return true; }

 private:
  size_t own_bytes() const override { return (q_.size() + k_.size()) * sizeof(R) + 16 * norm_.size(); }
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const SoftmaxDetail<R>& d = static_cast<const SoftmaxView<R>&>(view).detail();
    const int64_t KV = d.kv_heads * d.d;
    if (from == 0 && k_.empty()) {  // with what was cached before the text
      past_ = d.past;
      this->append_rows(d.k, 0, past_, KV, k_);
    }
    d_ = d;
    this->append_rows(d.q, from, to, d.heads * d.d, q_);
    this->append_rows(d.k, d.past + from, d.past + to, KV, k_);
    top_.resize(static_cast<size_t>(this->tokens_ * d.heads), 0.0);
    norm_.resize(top_.size(), -1.0);
  }
  double score(int64_t i, int64_t key, int64_t h) const {
    const R *q = q_.data() + (i * d_.heads + h) * d_.d, *k = k_.data() + (key * d_.kv_heads + h / (d_.heads / d_.kv_heads)) * d_.d;
    double sum = 0;
    for (int64_t c = 0; c < d_.d; ++c) sum += static_cast<double>(q[c]) * static_cast<double>(k[c]);
    sum *= d_.scale;
    return d_.soft_cap > 0 ? d_.soft_cap * std::tanh(sum / d_.soft_cap) : sum;
  }
  int64_t first_key(int64_t i) const { return d_.window > 0 ? std::max<int64_t>(0, past_ + i - d_.window + 1) : 0; }
  void normalise(int64_t i, int64_t h) const {
    const size_t at = static_cast<size_t>(i * d_.heads + h);
    if (norm_[at] >= 0) return;
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t key = first_key(i); key <= past_ + i; ++key) {
      const double s = score(i, key, h);
      if (s > top) sum *= std::exp(top - s);
      top = std::max(top, s);
      sum += std::exp(s - top);
    }
    top_[at] = top;
    norm_[at] = sum;
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    for (int64_t i = I.begin; i < I.end; ++i) {
      normalise(i, map);
      const size_t at = static_cast<size_t>(i * d_.heads + map);
      for (int64_t j = J.begin; j < J.end; ++j, ++out) {
        const bool seen = j <= i && past_ + j >= first_key(i);
        *out = seen ? static_cast<R>(std::exp(score(i, past_ + j, map) - top_[at]) / norm_[at]) : R(0);
      }
    }
  }

  SoftmaxDetail<R> d_;  // its arrays belong to a pass and are not read
  int64_t past_ = 0;
  std::vector<R> q_, k_;                    // [T, heads*d], [past + T, kv_heads*d]
  mutable std::vector<double> top_, norm_;  // [T, heads] of the scores, norm < 0: not known yet
};

// Rows by the frozen adjoint, all columns at once; the rows of the last tile are kept for the tiles beside it.
template <class R>
class NonlinearWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return dims_.H; }
  double entry_flops() const override {
    return 4.0 * static_cast<double>(kernels::cell_gates(dims_.cell) * dims_.H * dims_.d * dims_.d);
  }

 private:
  int64_t width() const { return dims_.H * dims_.d; }
  int64_t tape_width() const { return kernels::cell_tape(dims_.cell) * width(); }
  size_t own_bytes() const override { return (tape_.size() + rows_.size()) * sizeof(R); }
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const NonlinearDetail<R>& d = static_cast<const NonlinearView<R>&>(view).detail();
    dims_ = d.dims;
    weights_ = d.weights;
    this->append_rows(d.tape, from, to, tape_width(), tape_);
  }
  // rows_ [I, H, J.end]
  void make_rows(TokenRange I, int64_t J_end) const {
    const int64_t C = width(), X = kernels::cell_gates(dims_.cell) * C;
    rows_.assign(static_cast<size_t>((I.end - I.begin) * dims_.H * J_end), R(0));
    kept_ = I;
    kept_cols_ = J_end;
    for (int64_t i = I.begin; i < I.end; ++i) {
      kernels::CellDims dims = dims_;
      dims.T = i + 1;
      std::vector<R> dy(static_cast<size_t>(dims.T * C), R(0)), dx(static_cast<size_t>(dims.T * X), R(0));
      std::vector<R> state(static_cast<size_t>(kernels::cell_states(dims.cell) * C), R(0)), dbias(static_cast<size_t>(X), R(0));
      std::fill_n(dy.begin() + i * C, C, R(1) / static_cast<R>(dims.d));
      kernels::CellGrads<R> grads;
      grads.dx = dx.data();
      grads.dbias = weights_.bias == nullptr ? nullptr : dbias.data();
      grads.dstate = state.data();
      kernels::cell_frozen_adjoint(dims, weights_, tape_.data(), dy.data(), grads);
      for (int64_t at = 0; at < std::min(J_end, dims.T) * X; ++at) {
        const int64_t h = at / dims.d % dims.H;
        rows_[static_cast<size_t>(((i - I.begin) * dims.H + h) * J_end + at / X)] += dx[static_cast<size_t>(at)];
      }
    }
  }
  void one(int64_t map, int64_t, int64_t, TokenRange I, TokenRange J, R* out) const override {
    if (kept_.begin != I.begin || kept_.end != I.end || kept_cols_ < J.end) make_rows(I, std::max(J.end, std::min(this->tokens_, I.end)));
    for (int64_t i = 0; i < I.end - I.begin; ++i) {
      const R* row = rows_.data() + (i * dims_.H + map) * kept_cols_;
      out = std::copy(row + J.begin, row + J.end, out);
    }
  }

  kernels::CellDims dims_{};
  kernels::CellWeights<R> weights_;
  std::vector<R> tape_;
  mutable std::vector<R> rows_;
  mutable TokenRange kept_;
  mutable int64_t kept_cols_ = 0;
};

}  // namespace

template <class R>
std::unique_ptr<MapWindow<R>> make_window(const MixerView<R>& view, bool fold, Estimator estimator) {
  if (view.kind == "softmax") return std::make_unique<SoftmaxWindow<R>>(fold);
  if (view.kind == "nonlinear") return std::make_unique<NonlinearWindow<R>>(false);  // a cell mixes channels
  return make_recurrence_window<R>(view, fold, estimator);
}
template std::unique_ptr<MapWindow<float>> make_window(const MixerView<float>&, bool, Estimator);
template std::unique_ptr<MapWindow<double>> make_window(const MixerView<double>&, bool, Estimator);

}  // namespace hindscan
