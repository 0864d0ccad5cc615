// Recurrences that read their own output, with gates and tanh(z)/z at the values they took.
#include <algorithm>

#include "explain/structures.h"

namespace hindscan {

namespace {

using kernels::cell_gates;
using kernels::cell_states;
using kernels::cell_tape;

// Rows by the frozen adjoint, all columns at once; the rows of the last tile are kept for the tiles beside it.
template <class R>
class NonlinearWindow final : public MapWindow<R> {
 public:
  using MapWindow<R>::MapWindow;
  int64_t maps() const override { return dims_.H; }
  double entry_flops() const override {
    return 4.0 * static_cast<double>(cell_gates(dims_.cell) * dims_.H * dims_.d * dims_.d);
  }

 private:
  int64_t width() const { return dims_.H * dims_.d; }
  int64_t tape_width() const { return cell_tape(dims_.cell) * width(); }
  size_t own_bytes() const override { return (tape_.size() + rows_.size()) * sizeof(R); }
  void append_core(const MixerDetail& detail, int64_t from, int64_t to) override {
    const auto& d = detail_as<NonlinearDetail<R>>(detail);
    dims_ = d.dims;
    weights_ = d.weights;
    this->append_rows(d.tape, from, to, tape_width(), tape_);
  }
  // rows_ [I, H, J.end]
  void make_rows(TokenRange I, int64_t J_end) const {
    const int64_t C = width(), X = cell_gates(dims_.cell) * C;
    rows_.assign(static_cast<size_t>((I.end - I.begin) * dims_.H * J_end), R(0));
    kept_ = I;
    kept_cols_ = J_end;
    for (int64_t i = I.begin; i < I.end; ++i) {
      kernels::CellDims dims = dims_;
      dims.T = i + 1;
      std::vector<R> dy(static_cast<size_t>(dims.T * C), R(0)), dx(static_cast<size_t>(dims.T * X), R(0));
      std::vector<R> state(static_cast<size_t>(cell_states(dims.cell) * C), R(0)), dbias(static_cast<size_t>(X), R(0));
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

// Recurrences that read their own output: one map per head, rows of the cell with its gates frozen, means over
// channels. Channels are the heads' means, since a cell mixes the channels of a head.
template <class R>
class NonlinearView final : public MixerView<R> {
 public:
  NonlinearView(const Ctx& ctx, const MixerScope& scope, size_t core, Estimator)
      : MixerView<R>(ctx, scope, core,
                     {"nonlinear", "recurrence that reads its own output", "frozen gates",
                      "its gates count as the constants they were on this text"}),
        d_(detail_as<NonlinearDetail<R>>(*ctx.nodes()[core].mixer)),
        state_(static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape))) {}
  int64_t maps() const override { return d_.dims.H; }
  int64_t channels() const override { return d_.dims.H; }
  void row(const R* w, RowCarry<R>& carry, R* out, double* missing) const override;
  void add_carried_in(const RowCarry<R>& carry, double* out) const override;
  void row_times_mean(const R* r, RowCarry<R>& carry, R* out) const override;
  void weighted_output(const R* w, double* out) const override;
  void forward_residual(std::vector<double>& S, double* residual) const override;
  bool lead(int64_t, Transition<R>&) const override { return false; }
  void carry(const Transition<R>&, R*) const override {}
  std::unique_ptr<MapWindow<R>> window(bool, Estimator) const override {
    return std::make_unique<NonlinearWindow<R>>(false);
  }
  bool folds() const override { return false; }  // a cell mixes channels
  bool reads_itself() const override { return true; }

 private:
  void adjoint(const R* w, RowCarry<R>& carry, std::vector<R>& dx, std::vector<R>& dbias) const;
  const NonlinearDetail<R>& d_;
  const R* state_;  // [states, H*d] before the chunk, or null
};

// dx [T, gates*H*d] of the rows' means over the channels of each head.
template <class R>
void NonlinearView<R>::adjoint(const R* w, RowCarry<R>& carry, std::vector<R>& dx, std::vector<R>& dbias) const {
  const auto& d = d_.dims;
  const int64_t C = d.H * d.d, X = cell_gates(d.cell) * C;
  dx.assign(static_cast<size_t>(d.T * X), R(0));
  dbias.assign(static_cast<size_t>(X), R(0));
  std::vector<R> dy(static_cast<size_t>(d.T * C), R(0));  // [T, H*d]
  for (int64_t t = 0; w != nullptr && t < d.T; ++t) std::fill_n(dy.begin() + t * C, C, w[t] / static_cast<R>(d.d));
  this->each_segment_back(carry.numbers, static_cast<size_t>(cell_states(d.cell) * C),
                          [&](const Segment& g, size_t, R* state) {
                            kernels::CellDims here = d;
                            here.T = g.end - g.begin;
                            kernels::CellGrads<R> grads;
                            grads.dx = dx.data() + g.begin * X;
                            grads.dbias = d_.weights.bias == nullptr ? nullptr : dbias.data();
                            grads.dstate = state;
                            kernels::cell_frozen_adjoint(here, d_.weights, d_.tape + g.begin * cell_tape(d.cell) * C,
                                                         dy.data() + g.begin * C, grads);
                          });
}

// Gate after gate, each [H, d].
template <class R>
void NonlinearView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  const auto& d = d_.dims;
  const int64_t X = cell_gates(d.cell) * d.H * d.d;
  std::vector<R> dx, dbias;
  adjoint(w, carry, dx, dbias);
  std::fill_n(out, d.T * d.H, R(0));
  for (int64_t i = 0; i < d.T * X; ++i) {
    const int64_t h = i / d.d % d.H;
    out[i / X * d.H + h] += dx[static_cast<size_t>(i)];
    missing[h] -= static_cast<double>(dx[static_cast<size_t>(i)]) * static_cast<double>(d_.x[i]);
  }
  for (int64_t i = 0; d_.weights.bias != nullptr && i < X; ++i)
    missing[i / d.d % d.H] -=
        static_cast<double>(dbias[static_cast<size_t>(i)]) * static_cast<double>(d_.weights.bias[i]);
}

template <class R>
void NonlinearView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  for (size_t i = 0; state_ != nullptr && i < carry.numbers.size(); ++i)
    out[static_cast<int64_t>(i) / d_.dims.d % d_.dims.H] +=
        static_cast<double>(carry.numbers[i]) * static_cast<double>(state_[i]);
}

template <class R>
void NonlinearView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  const auto& d = d_.dims;
  const int64_t X = cell_gates(d.cell) * d.H * d.d;
  std::vector<R> dx, dbias;
  adjoint(r, carry, dx, dbias);
  for (int64_t t = 0; t < d.T; ++t) {
    double sum = 0;
    for (int64_t i = t * X; i < (t + 1) * X; ++i) sum += static_cast<double>(dx[static_cast<size_t>(i)]);
    out[t] = static_cast<R>(sum / static_cast<double>(d.H));
  }
}

template <class R>
void NonlinearView<R>::weighted_output(const R* w, double* out) const {
  const auto& d = d_.dims;
  std::fill_n(out, d.H, 0.0);
  for (int64_t i = 0; i < d.T * d.H * d.d; ++i) {
    const double weight = static_cast<double>(w[i / (d.H * d.d)]) / static_cast<double>(d.d);
    out[i / d.d % d.H] += weight * static_cast<double>(d_.y[i]);
  }
}

// Nothing independent to compare with: a cell is not linear. Its rows are checked to add up to the output.
template <class R>
void NonlinearView<R>::forward_residual(std::vector<double>&, double* residual) const {
  std::fill_n(residual, d_.dims.T, 0.0);
}

}  // namespace

HS_STRUCTURE_VIEW(nonlinear, NonlinearView)

}  // namespace hindscan
