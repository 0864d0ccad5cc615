// Step by step: a product per gate and head, then the cell. The adjoint runs the steps back from the tape; gradients of the
// hidden weights are one product over all tokens at the end.
#include "kernels/nonlinear_recurrence.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/nonlinear_recurrence_cells.h"

namespace hindscan::kernels {

namespace {

template <class R>
constexpr DType kType = std::is_same_v<R, double> ? DType::kF64 : DType::kF32;

// a [gates*H*d] = R_g h + b_g
template <class R>
void hidden_products(const CellDims& dims, const CellWeights<R>& w, const R* h, R* a) {
  const int64_t gates = cell_gates(dims.cell), H = dims.H, d = dims.d;
  if (H == 1) {
    linear(1, gates * d, d, h, w.hidden, kType<R>, a);
  } else {
    for (int64_t i = 0; i < gates * H; ++i) linear(1, d, d, h + i % H * d, w.hidden + i * d * d, kType<R>, a + i * d);
  }
  if (w.bias == nullptr) return;
  for (int64_t i = 0; i < gates * H * d; ++i) a[i] += w.bias[i];
}

// dh [H*d] += R_g^T da_g for gates first .. end
template <class R>
void hidden_adjoint(const CellDims& dims, const CellWeights<R>& w, int64_t first, int64_t end, const R* da, R* dh) {
  const int64_t H = dims.H, d = dims.d;
  if (H == 1) {
    gemm({1, d, (end - first) * d}, da + first * d, (end - first) * d, w.hidden + first * d * d, d, R(1), dh, d);
    return;
  }
  for (int64_t i = first * H; i < end * H; ++i) gemm({1, d, d}, da + i * d, d, w.hidden + i * d * d, d, R(1), dh + i % H * d, d);
}

template <class R>
void forward(const CellDims& dims, const CellWeights<R>& w, const R* x, R* state, R* y, R* tape) {
  const int64_t gates = cell_gates(dims.cell), n = dims.H * dims.d;
  std::vector<R> a(static_cast<size_t>(gates * n)), room(static_cast<size_t>(cell_tape(dims.cell) * n));
  for (int64_t t = 0; t < dims.T; ++t) {
    hidden_products(dims, w, state, a.data());
    R* kept = tape == nullptr ? room.data() : tape + t * cell_tape(dims.cell) * n;  // [cell_tape, H*d]
    cell_step(dims.cell, n, x + t * gates * n, a.data(), state, kept);
    std::copy_n(state, n, y + t * n);
  }
}

// Runs the steps back; da [T, gates*H*d] is the adjoint of R h + b.
template <class R>
void run_back(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* before, const R* dy, bool frozen, R* dstate, R* dx, R* da) {
  const int64_t gates = cell_gates(dims.cell), n = dims.H * dims.d;
  const int64_t first = frozen ? cell_candidate(dims.cell) : 0, end = frozen ? first + 1 : gates;
  std::vector<R> gate_adjoint(static_cast<size_t>(gates * n));
  for (int64_t t = dims.T - 1; t >= 0; --t) {
    accumulate_row(n, dy + t * n, dstate);
    R* hidden = da + t * gates * n;
    cell_step_back(dims.cell, frozen, n, tape + t * cell_tape(dims.cell) * n, before + t * n, dstate, gate_adjoint.data(), hidden);
    if (dx != nullptr) accumulate_row(gates * n, gate_adjoint.data(), dx + t * gates * n);
    hidden_adjoint(dims, w, first, end, hidden, dstate);
  }
}

template <class R>
void add_bias_gradient(const CellDims& dims, const std::vector<R>& da, R* dbias) {
  const int64_t width = cell_gates(dims.cell) * dims.H * dims.d;
  std::vector<double> sum(static_cast<size_t>(width), 0.0);
  for (size_t i = 0; i < da.size(); ++i) sum[i % static_cast<size_t>(width)] += static_cast<double>(da[i]);
  for (int64_t i = 0; i < width; ++i) dbias[i] += static_cast<R>(sum[static_cast<size_t>(i)]);
}

template <class R>
void backward(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* state0, const R* y, const R* dy, const CellGrads<R>& g) {
  const int64_t gates = cell_gates(dims.cell), H = dims.H, d = dims.d, n = H * d, T = dims.T;
  if (T == 0) return;
  std::vector<R> da(static_cast<size_t>(T * gates * n)), before(static_cast<size_t>(T * n));  // [T, gates*H*d], [T, H*d] h before each token
  std::copy_n(state0, n, before.begin());
  std::copy_n(y, (T - 1) * n, before.begin() + n);
  run_back(dims, w, tape, before.data(), dy, false, g.dstate, g.dx, da.data());
  if (g.dbias != nullptr) add_bias_gradient(dims, da, g.dbias);
  if (g.dhidden == nullptr) return;
  for (int64_t i = 0; i < gates * H; ++i) {  // dR_g += da_g^T h
    gemm({d, d, T, true, false}, da.data() + i * d, gates * n, before.data() + i % H * d, n, R(1), g.dhidden + i * d * d, d);
  }
}

template <class R>
void frozen_adjoint(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* dy, const CellGrads<R>& g) {
  const int64_t n = dims.H * dims.d;
  std::vector<R> da(static_cast<size_t>(dims.T * cell_gates(dims.cell) * n)), unread(static_cast<size_t>(dims.T * n));
  run_back(dims, w, tape, unread.data(), dy, true, g.dstate, g.dx, da.data());
  if (g.dbias != nullptr) add_bias_gradient(dims, da, g.dbias);
}

}  // namespace

#define HS_DEFINE(R)                                                                                                              \
  void cell_forward(const CellDims& dims, const CellWeights<R>& w, const R* x, R* state, R* y, R* tape) {                          \
    forward(dims, w, x, state, y, tape);                                                                                          \
  }                                                                                                                               \
  void cell_backward(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* state0, const R* y, const R* dy,       \
                     const CellGrads<R>& g) {                                                                                     \
    backward(dims, w, tape, state0, y, dy, g);                                                                                    \
  }                                                                                                                               \
  void cell_frozen_adjoint(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* dy, const CellGrads<R>& g) {     \
    frozen_adjoint(dims, w, tape, dy, g);                                                                                         \
  }
HS_DEFINE(float)
HS_DEFINE(double)
#undef HS_DEFINE

}  // namespace hindscan::kernels
