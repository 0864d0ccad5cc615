// Gated linear recurrence with r rank-1 steps a token (row + rank r) on a state S [K, V] per head: unequal erase (b, c)
// and write (s k, d) factors, * element by element, i = 1..r:
//   S_{t,0} = diag(exp g_t) S_{t-1},   S_t = S_{t,r},   y_t = q_t^T S_t,
//   S_{t,i} = (I + b_{t,i} c_{t,i}^T) S_{t,i-1} + s_{t,i} k_{t,i} (d_{t,i} * v_{t,i})^T.
// DeltaProduct (arXiv 2502.10297; with g: flash-linear-attention's gated_delta_product):
//   b_i = -beta_i k_i, c_i = k_i, s_i = beta_i.
// Gated DeltaNet-2 (arXiv 2605.22791):
//   r = 1, b = -k, c = (erase gate * k), d = write gate.
// Erase-then-Delta (arXiv 2606.26560):
//   r = 2, b_1 = -gamma e, c_1 = e, s_1 = 0, b_2 = -beta k, c_2 = k, s_2 = beta.
// Unrolled, y_t[n] = sum_{j,i} alpha[h; t; j,i] d_{j,i}[n] v_{j,i}[n] + carried-in state. A step is a token of head.h
// that is decayed only where it is its token's first and read only where it is the last; so double runs head.h's
// reference, float its kernels, and what rank 1 costs stays what it was.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

struct RankDims {
  int64_t T;        // tokens, >= 0
  int64_t H, K, V;  // heads with a state [K, V] each
  int64_t r;        // steps of a token, >= 1
  HeadDims steps() const { return {T * r, H, H, K, V, 1}; }
  int64_t key() const { return H * K; }  // numbers of a step
  int64_t value() const { return H * V; }
};

template <class R>
struct RankCoeffs {
  HeadCoeffs<R> steps;  // of T r steps: q zero but at last steps, g zero but at first steps; b and c given, read kAfter
  const R* d = nullptr;  // [T, r, H, V], or null: ones
  int64_t decays(const RankDims& dims) const { return steps.decay == DecayShape::kRow ? dims.key() : dims.H; }
};

// Rows [T, width] of tokens at step `at` of each, zeros at its other steps [T, r, width].
template <class R>
void rows_to_steps(const RankDims& d, int64_t at, int64_t width, const R* rows, R* steps) {
  std::fill_n(steps, d.T * d.r * width, R(0));
  for (int64_t t = 0; t < d.T; ++t) std::copy_n(rows + t * width, width, steps + (t * d.r + at) * width);
}
// The transpose, added to rows.
template <class R>
void add_rows_of_steps(const RankDims& d, int64_t at, int64_t width, const R* steps, R* rows) {
  for (int64_t t = 0; t < d.T; ++t) {
    const R* from = steps + (t * d.r + at) * width;
    for (int64_t i = 0; i < width; ++i) rows[t * width + i] += from[i];
  }
}
template <class R>
std::vector<R> last_steps(const RankDims& d, int64_t width, const R* rows) {
  std::vector<R> steps(static_cast<size_t>(d.T * d.r * width));  // [T, r, width]
  rows_to_steps(d, d.r - 1, width, rows, steps.data());
  return steps;
}

template <class R>
RankCoeffs<R> at_token(const RankDims& d, const RankCoeffs<R>& coeffs, int64_t t) {
  const int64_t step = t * d.r;
  const auto move = [](const R*& p, int64_t by) { p = p == nullptr ? p : p + by; };
  RankCoeffs<R> c = coeffs;
  for (const R** p : {&c.steps.q, &c.steps.k, &c.steps.b, &c.steps.c}) move(*p, step * d.key());
  move(c.steps.g, step * c.decays(d));
  move(c.steps.s, step * d.H);
  move(c.d, step * d.value());
  return c;
}

// d * v [T, r, H, V], what is written: in room, or v itself where there is no d.
template <class R>
const R* written_values(const RankDims& d, const RankCoeffs<R>& c, const R* v, R* room) {
  if (c.d == nullptr) return v;
  for (int64_t i = 0; i < d.T * d.r * d.value(); ++i) room[i] = c.d[i] * v[i];
  return room;
}

// v [T, r, H, V]; y [T, H, V] is overwritten; S [H, K, V] is the carried-in state and leaves as the last state. room
// [2, T, r, H, V] is worked in.
template <class R>
void rank_forward(const RankDims& d, const RankCoeffs<R>& c, const R* v, R* S, R* y, R* room) {
  const R* values = written_values(d, c, v, room);
  if (d.r == 1) return head_forward(d.steps(), c.steps, values, S, y);
  R* all = room + d.T * d.r * d.value();  // outputs of every step
  head_forward(d.steps(), c.steps, values, S, all);
  std::fill_n(y, d.T * d.value(), R(0));
  add_rows_of_steps(d, d.r - 1, d.value(), all, y);
}

// Gradients: any but dS may be null; all are accumulated (+=) except dS.
template <class R>
struct RankGrads {
  R *dq = nullptr, *dg = nullptr;                                // [T, H, K], [T, H] or [T, H, K]: of tokens
  R *dk = nullptr, *dv = nullptr, *ds = nullptr, *dd = nullptr;  // [T, r, ...] of steps (s, d must not be null)
  R *db = nullptr, *dc = nullptr;                                // [T, r, H, K]
  R* dS = nullptr;  // [H, K, V] in: adjoint of the final state; out: of the initial state
};

template <class R>
RankGrads<R> at_token(const RankDims& d, int64_t decays, const RankGrads<R>& grads, int64_t t) {
  const auto move = [](R*& p, int64_t by) { p = p == nullptr ? p : p + by; };
  RankGrads<R> g = grads;
  move(g.dq, t * d.key());
  move(g.dg, t * decays);
  for (R** p : {&g.dk, &g.db, &g.dc}) move(*p, t * d.r * d.key());
  for (R** p : {&g.dv, &g.dd}) move(*p, t * d.r * d.value());
  move(g.ds, t * d.r * d.H);
  return g;
}

// Exact adjoint with states recomputed; S0 [H, K, V] is the initial state of the forward pass.
template <class R>
void rank_backward(const RankDims& d, const RankCoeffs<R>& c, const R* v, const R* S0, const R* dy,
                   const RankGrads<R>& grads) {
  const auto room = [&](const R* wanted, int64_t width) {
    return std::vector<R>(wanted == nullptr ? 0 : static_cast<size_t>(d.T * d.r * width));
  };
  const auto or_null = [](std::vector<R>& x) { return x.empty() ? nullptr : x.data(); };
  const std::vector<R> dy_steps = last_steps(d, d.value(), dy);
  std::vector<R> written = room(c.d, d.value()), dq = room(grads.dq, d.key()), dg = room(grads.dg, c.decays(d)),
                 dwritten = room(c.d == nullptr        ? nullptr
                                 : grads.dv != nullptr ? grads.dv
                                                       : grads.dd,
                                 d.value());
  HeadGrads<R> of_steps{or_null(dq), grads.dk};
  of_steps.dv = c.d == nullptr ? grads.dv : or_null(dwritten);
  of_steps.dg = or_null(dg);
  of_steps.ds = grads.ds;
  of_steps.db = grads.db;
  of_steps.dc = grads.dc;
  of_steps.dS = grads.dS;
  head_backward(d.steps(), c.steps, written_values(d, c, v, written.data()), S0, dy_steps.data(), of_steps);
  if (grads.dq != nullptr) add_rows_of_steps(d, d.r - 1, d.key(), dq.data(), grads.dq);
  if (grads.dg != nullptr) add_rows_of_steps(d, 0, c.decays(d), dg.data(), grads.dg);
  for (size_t i = 0; i < dwritten.size(); ++i) {
    if (grads.dv != nullptr) grads.dv[i] += c.d[i] * dwritten[i];
    if (grads.dd != nullptr) grads.dd[i] += v[i] * dwritten[i];
  }
}

// dv += (alpha d)^T dy with every coefficient constant; dS as in RankGrads. Needs no forward state.
template <class R>
void rank_value_adjoint(const RankDims& d, const RankCoeffs<R>& c, const R* dy, R* dS, R* dv) {
  const std::vector<R> dy_steps = last_steps(d, d.value(), dy);
  if (c.d == nullptr) return head_value_adjoint(d.steps(), c.steps, dy_steps.data(), dS, dv);
  std::vector<R> dwritten(static_cast<size_t>(d.T * d.r * d.value()));  // [T, r, H, V]
  head_value_adjoint(d.steps(), c.steps, dy_steps.data(), dS, dwritten.data());
  for (size_t i = 0; i < dwritten.size(); ++i) dv[i] += c.d[i] * dwritten[i];
}

// out[j,i,h] = sum_t w[t,h] alpha[h; t; j,i] ([T, r, H], overwritten); w [T, H], null: zeros. carry [H, K] as in
// head.h.
template <class R>
void rank_row_times(const RankDims& d, const RankCoeffs<R>& c, const R* w, R* carry, R* out) {
  if (w == nullptr) return head_row_times(d.steps(), c.steps, static_cast<const R*>(nullptr), carry, out);
  head_row_times(d.steps(), c.steps, last_steps(d, d.H, w).data(), carry, out);
}

// s [T, r, H] times the mean of d, or of |d|, over a head's channels: what its map has one of.
template <class R>
std::vector<R> write_weights(const RankDims& d, const RankCoeffs<R>& c, bool absolute) {
  std::vector<R> out(static_cast<size_t>(d.T * d.r * d.H));
  for (size_t i = 0; i < out.size(); ++i) {
    const R* row = c.d + static_cast<int64_t>(i) * d.V;
    double sum = 0;
    for (int64_t n = 0; n < d.V; ++n) sum += static_cast<double>(absolute ? std::abs(row[n]) : row[n]);
    const double s = c.steps.s == nullptr ? 1.0 : static_cast<double>(c.steps.s[i]);
    out[i] = static_cast<R>(s * sum / static_cast<double>(d.V));
  }
  return out;
}

// Entries of one head (kOne) or reduced over heads, with d over their channels, of one write of a token or (write < 0)
// the mean over its writes; out [I, J] row-major, zero above the diagonal.
template <class R>
void rank_tile(const RankDims& d, RankCoeffs<R> c, HeadMap kind, int64_t head, int64_t write, TileRange I, TileRange J,
               R* out) {
  const int64_t rows = I.end - I.begin, cols = J.end - J.begin;
  if (kind == HeadMap::kMeanPositive && c.d != nullptr) {  // max(x, 0) = (x + |x|) / 2
    std::vector<R> absolute(static_cast<size_t>(rows * cols));
    rank_tile(d, c, HeadMap::kMean, head, write, I, J, out);
    rank_tile(d, c, HeadMap::kMeanAbs, head, write, I, J, absolute.data());
    for (size_t i = 0; i < absolute.size(); ++i) out[i] = (out[i] + absolute[i]) / R(2);
    return;
  }
  std::vector<R> weights;
  if (c.d != nullptr) {
    weights = write_weights(d, c, kind == HeadMap::kMeanAbs);
    c.steps.s = weights.data();
  }
  std::vector<R> all(static_cast<size_t>(rows * d.r * cols * d.r));  // [I, r, J, r]
  head_tile(d.steps(), c.steps, kind, head, {I.begin * d.r, I.end * d.r}, {J.begin * d.r, J.end * d.r}, {}, all.data());
  const int64_t first = write < 0 ? 0 : write, last = write < 0 ? d.r : write + 1;
  for (int64_t i = 0; i < rows * cols; ++i) {
    const R* entries = all.data() + ((i / cols * d.r + d.r - 1) * cols + i % cols) * d.r;  // [r] of the last step's row
    double sum = 0;
    for (int64_t w = first; w < last; ++w) sum += static_cast<double>(entries[w]);
    out[i] = static_cast<R>(sum / static_cast<double>(last - first));
  }
}

// out [blocks, blocks]: sums over rows of block p and columns of block q (edges [blocks + 1] of tokens) of one head or
// (head < 0) the mean over heads, the mean over writes and channels.
template <class R>
void rank_block_sums(const RankDims& d, RankCoeffs<R> c, int64_t head, const int64_t* edges, int64_t blocks, R* out) {
  std::vector<int64_t> of_steps(edges, edges + blocks + 1);
  for (int64_t& edge : of_steps) edge *= d.r;
  std::vector<R> weights;
  if (c.d != nullptr) {
    weights = write_weights(d, c, false);
    c.steps.s = weights.data();
  }
  head_block_sums(d.steps(), c.steps, head, of_steps.data(), blocks, out);
  for (int64_t i = 0; i < blocks * blocks; ++i) out[i] /= static_cast<R>(d.r);
}

}  // namespace hindscan::kernels::glr
