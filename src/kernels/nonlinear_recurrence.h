// Recurrences that read their own output h: tanh and ReLU RNN, GRU and LSTM as torch defines them, sLSTM (arXiv
// 2405.04517). With a_g = x_g + R_g h_{t-1} + b_g per gate g, R block-diagonal over heads:
//   kTanh, kRelu: h = act(a)
//   kGru   r z n: r, z = sigmoid(a); n = tanh(x_n + r (R_n h + b_n)); h = (1 - z) n + z h
//   kLstm  i f g o: i, f, o = sigmoid(a); c = f c + i tanh(a_g); h = o tanh(c)
//   kSlstm i f z o: m' = max(i, logsigmoid(f) + m); c = exp(logsigmoid(f) + m - m') c + exp(i - m') tanh(z), n likewise
//                   with 1 for tanh(z); h = sigmoid(o) c / n. m is a scale of c and n, not a quantity: it has no
//                   adjoint.
// float and double. Nothing here throws; results do not depend on the number of threads.
#pragma once
#include <cstdint>
#include <span>

namespace hindscan::kernels {

enum class Cell : uint8_t { kTanh, kRelu, kGru, kLstm, kSlstm };

struct CellDims {
  Cell cell;
  int64_t T, H, d;  // tokens, heads, width of a head
};

constexpr int64_t cell_gates(Cell c) { return c == Cell::kTanh || c == Cell::kRelu ? 1 : c == Cell::kGru ? 3 : 4; }
// Arrays [H*d] of the state: h; LSTM h, c; sLSTM h, c, n, m (n = 0: nothing seen).
constexpr int64_t cell_states(Cell c) { return c == Cell::kLstm ? 2 : c == Cell::kSlstm ? 4 : 1; }
// Arrays [H*d] a token leaves for the adjoint.
constexpr int64_t cell_tape(Cell c) {
  return c == Cell::kTanh || c == Cell::kRelu ? 2 : c == Cell::kGru ? 5 : c == Cell::kLstm ? 8 : 10;
}

template <class R>
struct CellWeights {
  const R* hidden = nullptr;  // [gates*H*d, d]
  const R* bias = nullptr;    // [gates*H*d] or null
};

template <class R>
struct CellGrads {
  R* dx = nullptr;       // [T, gates*H*d]
  R* dhidden = nullptr;  // as the weights; null: not wanted
  R* dbias = nullptr;
  R* dstate = nullptr;  // [runs, states, H*d] in: adjoint of the final states; out: of the initial ones (required)
};

// Rows [begin, begin + length) of one sequence; the runs of a call do not overlap and go step by step together.
struct CellRun {
  int64_t begin, length;
};
using CellRuns = std::span<const CellRun>;

#define HS_DECLARE(R)                                                                                                \
  /* x [T, gates*H*d]; state [runs, states, H*d] leaves as the last; y [T, H*d]; tape [T, cell_tape, H*d] or null */ \
  void cell_forward(const CellDims&, CellRuns, const CellWeights<R>&, const R* x, R* state, R* y, R* tape);          \
  /* Exact adjoint; gradients accumulate. state0: the states before the pass, y: what forward wrote. */              \
  void cell_backward(const CellDims&, CellRuns, const CellWeights<R>&, const R* tape, const R* state0, const R* y,   \
                     const R* dy, const CellGrads<R>&);                                                              \
  /* Gates, normaliser and tanh(z)/z held: the adjoint of the linear map that is left. */                            \
  void cell_frozen_adjoint(const CellDims&, CellRuns, const CellWeights<R>&, const R* tape, const R* dy,             \
                           const CellGrads<R>&);
HS_DECLARE(float)
HS_DECLARE(double)
#undef HS_DECLARE

// One sequence of all T rows.
template <class R>
void cell_frozen_adjoint(const CellDims& dims, const CellWeights<R>& w, const R* tape, const R* dy,
                         const CellGrads<R>& g) {
  const CellRun all[] = {{0, dims.T}};
  cell_frozen_adjoint(dims, all, w, tape, dy, g);
}

}  // namespace hindscan::kernels
