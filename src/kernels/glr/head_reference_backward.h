// The exact gradient of head.h's forward pass: states kept every 32 tokens, recomputed between. Included by
// head_reference.h.
#pragma once
#include "kernels/glr/head_reference.h"

namespace hindscan::kernels::glr::reference {

constexpr int64_t kCheckpoint = 32;

// Adds row . x of every row of S [K, N] to out [K] (nothing when out is null).
template <class R, class X>
void add_row_dots(const double* S, const X* x, double scale, int64_t K, int64_t N, R* out) {
  for (int64_t i = 0; out && i < K; ++i) {
    double sum = 0;
    for (int64_t n = 0; n < N; ++n) sum += S[i * N + n] * static_cast<double>(x[n]);
    out[i] += static_cast<R>(scale * sum);
  }
}

template <class R>
R* at(R* base, int64_t offset) {
  return base ? base + offset : nullptr;
}

// Gradients of the current token's term outside the state: y_r += sum_w (q_r^T diag(u) k_w) v_w.
template <class R>
void current_backward(const HeadView<R>& head, int64_t t, const R* v, const R* dy, const HeadGrads<R>& grads) {
  const HeadDims& d = head.d;
  for (int64_t r = 0; r < d.R; ++r) {
    for (int64_t w = 0; w < d.R; ++w) {
      const R *value = v + head.value_at(t, w), *out = dy + head.value_at(t, r), *q = head.q(t, r), *k = head.k(t, w);
      const double weight = current_weight(head, t, r, w);
      double dot = 0, shared = 0;  // v . dy, and the gradient of a u that all rows share
      for (int64_t n = 0; n < d.V; ++n) {
        dot += static_cast<double>(value[n]) * static_cast<double>(out[n]);
        if (grads.dv) grads.dv[head.value_at(t, w) + n] += static_cast<R>(weight * static_cast<double>(out[n]));
      }
      for (int64_t i = 0; i < d.K; ++i) {
        const double u = head.current(t, i), qi = static_cast<double>(q[i]), ki = static_cast<double>(k[i]);
        if (grads.dq) grads.dq[head.key_at(t, r) + i] += static_cast<R>(dot * u * ki);
        if (grads.dk) grads.dk[head.key_at(t, w) + i] += static_cast<R>(dot * u * qi);
        shared += dot * qi * ki;
        if (grads.du && head.c.read == Read::kBefore) grads.du[head.h * d.K + i] += static_cast<R>(dot * qi * ki);
      }
      if (grads.du && head.c.read == Read::kDecayed) grads.du[head.head_at(t)] += static_cast<R>(shared);
    }
  }
}

// Gradients of the writes s k v^T, L [K, V] the adjoint of the state after them.
template <class R>
void write_backward(const HeadView<R>& head, int64_t t, const R* v, const double* L, const HeadGrads<R>& grads,
                    double* scratch) {
  const HeadDims& d = head.d;
  const double s = head.write(t);
  for (int64_t w = 0; w < d.R; ++w) {
    const R* value = v + head.value_at(t, w);
    std::fill(scratch, scratch + d.V, 0.0);
    add_read(head.k(t, w), L, d.K, d.V, scratch);  // [V] = L^T k
    double ds = 0;
    for (int64_t n = 0; n < d.V; ++n) {
      if (grads.dv) grads.dv[head.value_at(t, w) + n] += static_cast<R>(s * scratch[n]);
      ds += scratch[n] * static_cast<double>(value[n]);
    }
    if (grads.ds && head.c.s) grads.ds[head.head_at(t)] += static_cast<R>(ds);
    add_row_dots(L, value, s, d.K, d.V, at(grads.dk, head.key_at(t, w)));
  }
}

// Gradients of A_t: D [K, V] is diag(exp g) S, L [K, V] the adjoint of A_t S and becomes the adjoint of S.
template <class R>
void transition_backward(const HeadView<R>& head, int64_t t, const double* D, double* L, const HeadGrads<R>& grads,
                         double* scratch) {
  const int64_t K = head.d.K, V = head.d.V, row = head.row_at(t);
  if (head.rank1()) {
    const R *b = head.c.b + row, *c = head.c.c + row;
    std::fill(scratch, scratch + V, 0.0);
    add_read(c, D, K, V, scratch);  // [V] = D^T c
    add_row_dots(L, scratch, 1.0, K, V, at(grads.db, row));
    add_rank1(c, b, K, V, L, scratch);  // scratch [V] = L^T b before the sum
    add_row_dots(D, scratch, 1.0, K, V, at(grads.dc, row));
  }
  double shared = 0;
  for (int64_t i = 0; i < K && grads.dg && head.c.decay != DecayShape::kNone; ++i) {
    double sum = 0;
    for (int64_t n = 0; n < V; ++n) sum += L[i * V + n] * D[i * V + n];
    shared += sum;
    if (head.c.decay == DecayShape::kRow) grads.dg[row + i] += static_cast<R>(sum);
  }
  if (grads.dg && head.c.decay == DecayShape::kScalar) grads.dg[head.head_at(t)] += static_cast<R>(shared);
  head.decay_rows(t, V, L);
}

// One token: before and after are the states [K, V] around it, decayed [K, V] is scratch.
template <class R>
void backward_token(const HeadView<R>& head, int64_t t, const R* v, const double* before, const double* after,
                    const R* dy, double* L, const HeadGrads<R>& grads, double* decayed, double* scratch) {
  const HeadDims& d = head.d;
  const auto read_backward = [&](const double* S) {
    for (int64_t r = 0; r < d.R; ++r) {
      const R* out = dy + head.value_at(t, r);
      add_row_dots(S, out, 1.0, d.K, d.V, at(grads.dq, head.key_at(t, r)));
      add_outer(head.q(t, r), out, 1.0, d.K, d.V, L);
    }
  };
  if (head.c.read == Read::kAfter) {
    read_backward(after);
  } else if (head.c.u) {
    current_backward(head, t, v, dy, grads);
  }
  write_backward(head, t, v, L, grads, scratch);
  std::copy(before, before + d.K * d.V, decayed);
  if (head.c.read == Read::kDecayed) {
    transition(head, t, d.V, decayed, scratch);
    read_backward(decayed);
    std::copy(before, before + d.K * d.V, decayed);
  }
  head.decay_rows(t, d.V, decayed);
  transition_backward(head, t, decayed, L, grads, scratch);
  if (head.c.read == Read::kBefore) read_backward(before);
}

template <class R>
void backward_head(const HeadView<R>& head, const R* v, const R* S0, const R* dy, const HeadGrads<R>& grads) {
  const HeadDims& d = head.d;
  const int64_t size = d.K * d.V, chunks = (d.T + kCheckpoint - 1) / kCheckpoint;
  std::vector<double> kept(static_cast<size_t>(chunks * size));               // [chunks, K, V] states at chunk starts
  std::vector<double> states(static_cast<size_t>((kCheckpoint + 1) * size));  // [chunk + 1, K, V]
  std::vector<double> S(S0 + head.h * size, S0 + (head.h + 1) * size), scratch(static_cast<size_t>(d.V));
  for (int64_t t = 0; t < d.T; ++t) {
    if (t % kCheckpoint == 0) std::copy(S.begin(), S.end(), kept.begin() + t / kCheckpoint * size);
    write_token(head, t, v, S.data(), scratch.data());
  }
  std::vector<double> L(grads.dS + head.h * size, grads.dS + (head.h + 1) * size), decayed(static_cast<size_t>(size));
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t begin = chunk * kCheckpoint, end = std::min(d.T, begin + kCheckpoint);
    std::copy_n(kept.begin() + chunk * size, size, states.begin());
    for (int64_t t = begin; t < end; ++t) {
      double* next = states.data() + (t - begin + 1) * size;
      std::copy(next - size, next, next);
      write_token(head, t, v, next, scratch.data());
    }
    for (int64_t t = end - 1; t >= begin; --t) {
      const double* before = states.data() + (t - begin) * size;
      backward_token(head, t, v, before, before + size, dy, L.data(), grads, decayed.data(), scratch.data());
    }
  }
  for (int64_t i = 0; i < size; ++i) grads.dS[head.h * size + i] = static_cast<R>(L[static_cast<size_t>(i)]);
}

template <class R>
void backward(const HeadDims& d, const HeadCoeffs<R>& c, const R* v, const R* S0, const R* dy,
              const HeadGrads<R>& grads) {
  for_heads(d, c, [&](const HeadView<R>& head) { backward_head(head, v, S0, dy, grads); });
}

}  // namespace hindscan::kernels::glr::reference
