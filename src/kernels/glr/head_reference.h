// The formulas of head.h, token by token, in double whatever the type of the data: the double overloads, the float
// functions whose speed does not matter, and the measure of the fast kernels.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/glr/head.h"

namespace hindscan::kernels::glr::reference {

// One head of a problem: where its numbers are.
template <class R>
struct HeadView {
  HeadDims d;
  HeadCoeffs<R> c;
  int64_t h;

  int64_t key_at(int64_t t, int64_t r) const { return ((t * d.R + r) * d.G + h / (d.H / d.G)) * d.K; }
  int64_t value_at(int64_t t, int64_t r) const { return ((t * d.R + r) * d.H + h) * d.V; }
  int64_t head_at(int64_t t) const { return t * d.H + h; }
  int64_t row_at(int64_t t) const { return head_at(t) * d.K; }
  const R* q(int64_t t, int64_t r) const { return c.q + key_at(t, r); }
  const R* k(int64_t t, int64_t r) const { return c.k + key_at(t, r); }
  bool rank1() const { return c.b != nullptr; }

  double write(int64_t t) const { return c.s ? static_cast<double>(c.s[head_at(t)]) : 1.0; }
  double decay(int64_t t, int64_t i) const {
    if (c.decay == DecayShape::kNone) return 1.0;
    return std::exp(static_cast<double>(c.decay == DecayShape::kScalar ? c.g[head_at(t)] : c.g[row_at(t) + i]));
  }
  // The weight of q_i k_i in the read of the current token when it is not in the state read.
  double current(int64_t t, int64_t i) const {
    if (!c.u || c.read == Read::kAfter) return 0.0;
    return static_cast<double>(c.read == Read::kBefore ? c.u[h * d.K + i] : c.u[head_at(t)]);
  }
  // S [K, N] <- diag(exp g) S
  void decay_rows(int64_t t, int64_t N, double* S) const {
    if (c.decay == DecayShape::kNone) return;
    const double shared = c.decay == DecayShape::kScalar ? decay(t, 0) : 1.0;
    for (int64_t i = 0; i < d.K; ++i) {
      const double a = c.decay == DecayShape::kRow ? decay(t, i) : shared;
      for (int64_t n = 0; n < N; ++n) S[i * N + n] *= a;
    }
  }
};

// S [K, N] <- S + left (right^T S); w [N] is left holding right^T S.
template <class R>
void add_rank1(const R* left, const R* right, int64_t K, int64_t N, double* S, double* w) {
  std::fill(w, w + N, 0.0);
  for (int64_t i = 0; i < K; ++i) {
    for (int64_t n = 0; n < N; ++n) w[n] += static_cast<double>(right[i]) * S[i * N + n];
  }
  for (int64_t i = 0; i < K; ++i) {
    for (int64_t n = 0; n < N; ++n) S[i * N + n] += static_cast<double>(left[i]) * w[n];
  }
}

// S [K, N] <- A_t S, and its transpose.
template <class R>
void transition(const HeadView<R>& head, int64_t t, int64_t N, double* S, double* w) {
  head.decay_rows(t, N, S);
  if (head.rank1()) add_rank1(head.c.b + head.row_at(t), head.c.c + head.row_at(t), head.d.K, N, S, w);
}
template <class R>
void transition_adjoint(const HeadView<R>& head, int64_t t, int64_t N, double* S, double* w) {
  if (head.rank1()) add_rank1(head.c.c + head.row_at(t), head.c.b + head.row_at(t), head.d.K, N, S, w);
  head.decay_rows(t, N, S);
}

// S [K, N] += scale k v^T, and y [N] += S^T q.
template <class R, class V>
void add_outer(const R* k, const V* v, double scale, int64_t K, int64_t N, double* S) {
  for (int64_t i = 0; i < K; ++i) {
    const double ki = scale * static_cast<double>(k[i]);
    for (int64_t n = 0; n < N; ++n) S[i * N + n] += ki * static_cast<double>(v[n]);
  }
}
template <class R>
void add_read(const R* q, const double* S, int64_t K, int64_t N, double* y) {
  for (int64_t i = 0; i < K; ++i) {
    for (int64_t n = 0; n < N; ++n) y[n] += static_cast<double>(q[i]) * S[i * N + n];
  }
}

// q_{t,r}^T diag(u) k_{t,r'}: the current token's entry of alpha outside the state.
template <class R>
double current_weight(const HeadView<R>& head, int64_t t, int64_t r, int64_t w) {
  const R *q = head.q(t, r), *k = head.k(t, w);
  double sum = 0;
  if (!head.c.u) return sum;
  for (int64_t i = 0; i < head.d.K; ++i) {
    sum += static_cast<double>(q[i]) * head.current(t, i) * static_cast<double>(k[i]);
  }
  return sum;
}

// Moves S [K, V] over token t without reading.
template <class R>
void write_token(const HeadView<R>& head, int64_t t, const R* v, double* S, double* scratch) {
  transition(head, t, head.d.V, S, scratch);
  for (int64_t w = 0; w < head.d.R; ++w) {
    add_outer(head.k(t, w), v + head.value_at(t, w), head.write(t), head.d.K, head.d.V, S);
  }
}

// One token of the forward pass: y [R, V] is overwritten.
template <class R>
void forward_token(const HeadView<R>& head, int64_t t, const R* v, double* S, double* y, double* scratch) {
  const int64_t K = head.d.K, V = head.d.V, W = head.d.R;
  const Read read = head.c.read;
  std::fill(y, y + W * V, 0.0);
  const auto read_all = [&] {
    for (int64_t r = 0; r < W; ++r) add_read(head.q(t, r), S, K, V, y + r * V);
  };
  if (read == Read::kBefore) read_all();
  transition(head, t, V, S, scratch);
  if (read == Read::kDecayed) read_all();
  for (int64_t w = 0; w < W; ++w) add_outer(head.k(t, w), v + head.value_at(t, w), head.write(t), K, V, S);
  if (read == Read::kAfter) return read_all();
  for (int64_t r = 0; r < W; ++r) {
    for (int64_t w = 0; w < W; ++w) {
      const double weight = current_weight(head, t, r, w);
      for (int64_t n = 0; n < V; ++n) y[r * V + n] += weight * static_cast<double>(v[head.value_at(t, w) + n]);
    }
  }
}

template <class R>
void forward_head(const HeadView<R>& head, const R* v, R* state, R* y) {
  const HeadDims& d = head.d;
  std::vector<double> S(state + head.h * d.K * d.V, state + (head.h + 1) * d.K * d.V);  // [K, V]
  std::vector<double> out(static_cast<size_t>(d.R * d.V)), scratch(static_cast<size_t>(d.V));
  for (int64_t t = 0; t < d.T; ++t) {
    forward_token(head, t, v, S.data(), out.data(), scratch.data());
    for (int64_t r = 0; r < d.R; ++r) {
      for (int64_t n = 0; n < d.V; ++n) y[head.value_at(t, r) + n] = static_cast<R>(out[r * d.V + n]);
    }
  }
  for (size_t i = 0; i < S.size(); ++i) state[head.h * d.K * d.V + static_cast<int64_t>(i)] = static_cast<R>(S[i]);
}

// One token of the value adjoint: L [K, N] is the adjoint of the state after t and becomes that of the state before;
// dy [R, N]; dv [R, N] is overwritten.
template <class R>
void adjoint_token(const HeadView<R>& head, int64_t t, int64_t N, const double* dy, double* L, double* dv,
                   double* scratch) {
  const int64_t K = head.d.K, W = head.d.R;
  const Read read = head.c.read;
  const auto read_adjoint = [&] {
    for (int64_t r = 0; r < W; ++r) add_outer(head.q(t, r), dy + r * N, 1.0, K, N, L);
  };
  std::fill(dv, dv + W * N, 0.0);
  if (read == Read::kAfter) read_adjoint();
  for (int64_t w = 0; w < W; ++w) {
    add_read(head.k(t, w), L, K, N, dv + w * N);
    for (int64_t n = 0; n < N; ++n) dv[w * N + n] *= head.write(t);
    for (int64_t r = 0; read != Read::kAfter && r < W; ++r) {
      const double weight = current_weight(head, t, r, w);
      for (int64_t n = 0; n < N; ++n) dv[w * N + n] += weight * dy[r * N + n];
    }
  }
  if (read == Read::kDecayed) read_adjoint();
  transition_adjoint(head, t, N, L, scratch);
  if (read == Read::kBefore) read_adjoint();
}

// dy and dv are [T, R, H, N] (dy null: zeros), adjoint [H, K, N]; dv is added to, or overwritten.
template <class R>
void adjoint_head(const HeadView<R>& head, int64_t N, const R* dy, R* adjoint, R* dv, bool add) {
  const HeadDims& d = head.d;
  std::vector<double> L(adjoint + head.h * d.K * N, adjoint + (head.h + 1) * d.K * N);  // [K, N]
  std::vector<double> in(static_cast<size_t>(d.R * N)), out(in.size()), scratch(static_cast<size_t>(N));
  for (int64_t t = d.T - 1; t >= 0; --t) {
    const auto at = [&](int64_t r) { return ((t * d.R + r) * d.H + head.h) * N; };
    for (int64_t r = 0; dy && r < d.R; ++r) std::copy(dy + at(r), dy + at(r) + N, in.begin() + r * N);
    adjoint_token(head, t, N, in.data(), L.data(), out.data(), scratch.data());
    for (int64_t r = 0; r < d.R; ++r) {
      for (int64_t n = 0; n < N; ++n) {
        const R value = static_cast<R>(out[r * N + n]);
        dv[at(r) + n] = add ? dv[at(r) + n] + value : value;
      }
    }
  }
  for (size_t i = 0; i < L.size(); ++i) adjoint[head.h * d.K * N + static_cast<int64_t>(i)] = static_cast<R>(L[i]);
}

// body(head) for every head, in parallel; heads that share q and k stay on one thread.
template <class R, class Body>
void for_heads(const HeadDims& d, const HeadCoeffs<R>& c, const Body& body) {
  const int64_t per_group = d.H / std::max<int64_t>(1, d.G);
#pragma omp parallel for schedule(static) if (d.G > 1 && d.T * d.H * d.K * d.V >= 65536)
  for (int64_t group = 0; group < d.G; ++group) {
    for (int64_t i = 0; i < per_group; ++i) body(HeadView<R>{d, c, group * per_group + i});
  }
}

template <class R>
void forward(const HeadDims& d, const HeadCoeffs<R>& c, const R* v, R* S, R* y) {
  for_heads(d, c, [&](const HeadView<R>& head) { forward_head(head, v, S, y); });
}

template <class R>
void value_adjoint(const HeadDims& d, const HeadCoeffs<R>& c, const R* dy, R* dS, R* dv) {
  for_heads(d, c, [&](const HeadView<R>& head) { adjoint_head(head, d.V, dy, dS, dv, true); });
}

template <class R>
void row_times(const HeadDims& d, const HeadCoeffs<R>& c, const R* w, R* carry, R* out) {
  for_heads(d, c, [&](const HeadView<R>& head) { adjoint_head(head, 1, w, carry, out, false); });
}

}  // namespace hindscan::kernels::glr::reference

#include "kernels/glr/head_reference_backward.h"
#include "kernels/glr/head_reference_maps.h"
