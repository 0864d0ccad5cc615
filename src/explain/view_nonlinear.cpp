// Recurrences that read their own output, with gates and tanh(z)/z at the values they took.
#include <algorithm>

#include "explain/views.h"

namespace hindscan {

using kernels::cell_gates;
using kernels::cell_states;
using kernels::cell_tape;

template <class R>
NonlinearView<R>::NonlinearView(const Ctx& ctx, const MixerScope& scope, size_t core)
    : MixerView<R>(ctx, scope, core), d_(static_cast<const NonlinearDetail<R>&>(*ctx.nodes()[core].mixer)) {
  this->kind = "nonlinear";
  this->notes = "frozen gates";
  state_ = static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape));
}

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

template class NonlinearView<float>;
template class NonlinearView<double>;

}  // namespace hindscan
