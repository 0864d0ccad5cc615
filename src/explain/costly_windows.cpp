// Windows of the mixers whose rows cost more than a constant per token: softmax attention and non-linear cells.
#include "explain/map_window.h"

namespace hindscan {

namespace {

template <class R>
class SoftmaxWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return dims_.heads; }
  double entry_flops() const override { return 2.0 * static_cast<double>(dims_.heads * dims_.d); }
  void tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const override {
    const bool folds = !this->gate_.empty() || !this->slope_.empty() || !this->conv_.empty();
    if (folds) return MapWindow<R>::tile(kind, map, I, J, out);
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
  void append_core(const MixerView<R>& view, int64_t from, int64_t to) override {
    const SoftmaxDetail<R>& d = static_cast<const SoftmaxView<R>&>(view).detail();
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
      std::vector<R> state(static_cast<size_t>(kernels::cell_states(dims.cell) * C), R(0)),
          dbias(static_cast<size_t>(X), R(0));
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
    if (kept_.begin != I.begin || kept_.end != I.end || kept_cols_ < J.end)
      make_rows(I, std::max(J.end, std::min(this->tokens_, I.end)));
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
