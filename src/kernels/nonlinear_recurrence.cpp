// Step by step over all runs at once: a product per gate and head, then the cell. The adjoint runs the steps back from
// the tape; gradients of the hidden weights are one product over all tokens at the end.
#include "kernels/nonlinear_recurrence.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/nonlinear_recurrence_cells.h"

namespace hindscan::kernels {

namespace {

template <class R>
constexpr DType kType = std::is_same_v<R, double> ? DType::kF64 : DType::kF32;

constexpr int64_t kParallelChannels = 2048;  // of a step: below this a fork costs more than it saves

// The runs, longest first: those that have a step s are the first active(s).
class Schedule {
 public:
  explicit Schedule(CellRuns runs) : runs_(runs), order_(runs.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return runs[a].length > runs[b].length; });
  }
  int64_t steps() const { return order_.empty() ? 0 : runs_[order_[0]].length; }
  int64_t active(int64_t step) const {
    return std::partition_point(order_.begin(), order_.end(), [&](size_t r) { return runs_[r].length > step; }) -
           order_.begin();
  }
  int64_t run(int64_t i) const { return static_cast<int64_t>(order_[static_cast<size_t>(i)]); }
  int64_t row(int64_t i, int64_t step) const { return runs_[order_[static_cast<size_t>(i)]].begin + step; }

 private:
  CellRuns runs_;
  std::vector<size_t> order_;
};

struct Sizes {
  int64_t gates, n, states, tape;  // n = H*d
  explicit Sizes(const CellDims& dims)
      : gates(cell_gates(dims.cell)), n(dims.H * dims.d), states(cell_states(dims.cell)), tape(cell_tape(dims.cell)) {}
  int64_t width() const { return gates * n; }
};

// a [B, gates*H*d] = R_g h + b_g, h [B, H*d]
template <class R>
void hidden_products(const CellDims& dims, const CellWeights<R>& w, int64_t B, const R* h, R* a) {
  const Sizes z(dims);
  const int64_t d = dims.d;
  if (dims.H == 1) {
    linear(B, z.width(), d, h, w.hidden, kType<R>, a);
  } else if (B == 1) {
    for (int64_t i = 0; i < z.gates * dims.H; ++i)
      linear(1, d, d, h + i % dims.H * d, w.hidden + i * d * d, kType<R>, a + i * d);
  } else {
    for (int64_t i = 0; i < z.gates * dims.H; ++i) {
      gemm({B, d, d, false, true}, h + i % dims.H * d, z.n, w.hidden + i * d * d, d, R(0), a + i * d, z.width());
    }
  }
  if (w.bias == nullptr) return;
  for (int64_t b = 0; b < B; ++b) accumulate_row(z.width(), w.bias, a + b * z.width());
}

// dh [B, H*d] = R_g^T da_g summed over gates first .. end; da [B, gates*H*d]
template <class R>
void hidden_adjoint(const CellDims& dims, const CellWeights<R>& w, int64_t B, int64_t first, int64_t end, const R* da,
                    R* dh) {
  const Sizes z(dims);
  const int64_t H = dims.H, d = dims.d;
  if (H == 1) {
    gemm({B, d, (end - first) * d}, da + first * d, z.width(), w.hidden + first * d * d, d, R(0), dh, d);
    return;
  }
  for (int64_t i = first * H; i < end * H; ++i) {
    gemm({B, d, d}, da + i * d, z.width(), w.hidden + i * d * d, d, R(i < (first + 1) * H ? 0 : 1), dh + i % H * d,
         z.n);
  }
}

template <class R>
void forward(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* x, R* state, R* y, R* tape) {
  const Sizes z(dims);
  const Schedule schedule(runs);
  std::vector<R> h(runs.size() * static_cast<size_t>(z.n)), a(runs.size() * static_cast<size_t>(z.width())),
      room(tape == nullptr ? runs.size() * static_cast<size_t>(z.tape * z.n) : 0);
  for (int64_t s = 0; s < schedule.steps(); ++s) {
    const int64_t B = schedule.active(s);
    for (int64_t b = 0; b < B; ++b) std::copy_n(state + schedule.run(b) * z.states * z.n, z.n, h.begin() + b * z.n);
    hidden_products(dims, w, B, h.data(), a.data());
#pragma omp parallel for schedule(static) if (B * z.n >= kParallelChannels)
    for (int64_t b = 0; b < B; ++b) {
      const int64_t t = schedule.row(b, s);
      R* now = state + schedule.run(b) * z.states * z.n;  // [states, H*d]
      cell_step(dims.cell, z.n, x + t * z.width(), a.data() + b * z.width(), now,
                (tape == nullptr ? room.data() + b * z.tape * z.n : tape + t * z.tape * z.n));
      std::copy_n(now, z.n, y + t * z.n);
    }
  }
}

// Runs the steps back; da [T, gates*H*d] is the adjoint of R h + b, before [T, H*d] h before each token (null: not
// read).
template <class R>
void run_back(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* tape, const R* before, const R* dy,
              bool frozen, const CellGrads<R>& g, R* da) {
  const Sizes z(dims);
  const int64_t first = frozen ? cell_candidate(dims.cell) : 0, end = frozen ? first + 1 : z.gates;
  const Schedule schedule(runs);
  std::vector<R> dx(runs.size() * static_cast<size_t>(z.width())), hidden(dx.size()),
      dh(runs.size() * static_cast<size_t>(z.n)), zero(static_cast<size_t>(z.n));
  for (int64_t s = schedule.steps() - 1; s >= 0; --s) {
    const int64_t B = schedule.active(s);
#pragma omp parallel for schedule(static) if (B * z.n >= kParallelChannels)
    for (int64_t b = 0; b < B; ++b) {
      const int64_t t = schedule.row(b, s);
      R *dstate = g.dstate + schedule.run(b) * z.states * z.n, *into = hidden.data() + b * z.width(),
        *of_x = dx.data() + b * z.width();
      accumulate_row(z.n, dy + t * z.n, dstate);
      cell_step_back(dims.cell, frozen, z.n, tape + t * z.tape * z.n,
                     before == nullptr ? zero.data() : before + t * z.n, dstate, of_x, into);
      if (g.dx != nullptr) accumulate_row(z.width(), of_x, g.dx + t * z.width());
      std::copy_n(into, z.width(), da + t * z.width());
    }
    hidden_adjoint(dims, w, B, first, end, hidden.data(), dh.data());
    for (int64_t b = 0; b < B; ++b)
      accumulate_row(z.n, dh.data() + b * z.n, g.dstate + schedule.run(b) * z.states * z.n);
  }
}

template <class R>
void add_bias_gradient(const CellDims& dims, CellRuns runs, const std::vector<R>& da, R* dbias) {
  const int64_t width = Sizes(dims).width();
  std::vector<double> sum(static_cast<size_t>(width), 0.0);
  for (const CellRun& run : runs) {
    for (int64_t i = run.begin * width; i < (run.begin + run.length) * width; ++i) {
      sum[static_cast<size_t>(i % width)] += static_cast<double>(da[static_cast<size_t>(i)]);
    }
  }
  for (int64_t i = 0; i < width; ++i) dbias[i] += static_cast<R>(sum[static_cast<size_t>(i)]);
}

// h before each token of the runs; rows outside them are zero.
template <class R>
std::vector<R> hidden_before(const CellDims& dims, CellRuns runs, const R* state0, const R* y) {
  const Sizes z(dims);
  std::vector<R> before(static_cast<size_t>(dims.T * z.n), R(0));  // [T, H*d]
  for (size_t r = 0; r < runs.size(); ++r) {
    if (runs[r].length == 0) continue;
    auto row = before.begin() + runs[r].begin * z.n;
    std::copy_n(state0 + static_cast<int64_t>(r) * z.states * z.n, z.n, row);
    std::copy_n(y + runs[r].begin * z.n, (runs[r].length - 1) * z.n, row + z.n);
  }
  return before;
}

template <class R>
void backward(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* tape, const R* state0, const R* y,
              const R* dy, const CellGrads<R>& g) {
  const Sizes z(dims);
  const int64_t d = dims.d;
  const std::vector<R> before = hidden_before(dims, runs, state0, y);
  std::vector<R> da(static_cast<size_t>(dims.T * z.width()), R(0));  // [T, gates*H*d]
  run_back(dims, runs, w, tape, before.data(), dy, false, g, da.data());
  if (g.dbias != nullptr) add_bias_gradient(dims, runs, da, g.dbias);
  if (g.dhidden == nullptr) return;
  for (int64_t i = 0; i < z.gates * dims.H; ++i) {  // dR_g += da_g^T h
    gemm({d, d, dims.T, true, false}, da.data() + i * d, z.width(), before.data() + i % dims.H * d, z.n, R(1),
         g.dhidden + i * d * d, d);
  }
}

template <class R>
void frozen_adjoint(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* tape, const R* dy,
                    const CellGrads<R>& g) {
  std::vector<R> da(static_cast<size_t>(dims.T * Sizes(dims).width()));  // [T, gates*H*d]
  run_back(dims, runs, w, tape, static_cast<const R*>(nullptr), dy, true, g, da.data());
  if (g.dbias != nullptr) add_bias_gradient(dims, runs, da, g.dbias);
}

}  // namespace

#define HS_DEFINE(R)                                                                                                 \
  void cell_forward(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* x, R* state, R* y,        \
                    R* tape) {                                                                                       \
    forward(dims, runs, w, x, state, y, tape);                                                                       \
  }                                                                                                                  \
  void cell_backward(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* tape, const R* state0,   \
                     const R* y, const R* dy, const CellGrads<R>& g) {                                               \
    backward(dims, runs, w, tape, state0, y, dy, g);                                                                 \
  }                                                                                                                  \
  void cell_frozen_adjoint(const CellDims& dims, CellRuns runs, const CellWeights<R>& w, const R* tape, const R* dy, \
                           const CellGrads<R>& g) {                                                                  \
    frozen_adjoint(dims, runs, w, tape, dy, g);                                                                      \
  }
HS_DEFINE(float)
HS_DEFINE(double)
#undef HS_DEFINE

}  // namespace hindscan::kernels
