// The transitions of several tokens as one operator on a state [K, V] per head, put together from the last token back:
//   M_t = M_{t+1} A_t, A_t = (I + b_t c_t^T) diag(exp g_t)   (head.h)
// so that a change of the state before token t is M_t times that change behind the last one. Diagonal transitions keep
// the sum of their logarithms, [H] or [H, K]; with a rank-1 term M is [H, K, K].
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

// Numbers of the operator.
template <class R>
int64_t transition_size(const HeadDims& d, const HeadCoeffs<R>& c) {
  if (c.b != nullptr) return d.H * d.K * d.K;
  return c.decay == DecayShape::kRow ? d.H * d.K : d.H;
}

// M <- M A of one head, M [K, K]; g: of the token, null for none, one number or [K].
template <class R>
void lead_rank1(int64_t K, DecayShape decay, const R* g, const R* b, const R* c, R* M) {
  std::vector<R> factor(static_cast<size_t>(K), R(1));
  for (int64_t k = 0; k < K && decay != DecayShape::kNone; ++k)
    factor[static_cast<size_t>(k)] = std::exp(g[decay == DecayShape::kRow ? k : 0]);
  for (int64_t i = 0; i < K; ++i) {
    R* row = M + i * K;
    double sum = 0;
    for (int64_t k = 0; k < K; ++k) sum += static_cast<double>(row[k]) * static_cast<double>(b[k]);
    const R along = static_cast<R>(sum);
    for (int64_t k = 0; k < K; ++k) row[k] = (row[k] + along * c[k]) * factor[static_cast<size_t>(k)];
  }
}

// Token 0 of the coefficients goes in front of what M holds; empty: the identity.
template <class R>
void lead_transition(const HeadDims& d, const HeadCoeffs<R>& c, std::vector<R>& M) {
  const int64_t H = d.H, K = d.K;
  if (M.empty()) {
    M.assign(static_cast<size_t>(transition_size(d, c)), R(0));
    for (int64_t i = 0; c.b != nullptr && i < H * K; ++i) M[static_cast<size_t>(i * K + i % K)] = 1;
  }
  if (c.b == nullptr) {
    for (size_t i = 0; c.decay != DecayShape::kNone && i < M.size(); ++i) M[i] += c.g[i];
    return;
  }
  const int64_t width = c.decay == DecayShape::kRow ? K : 1;
  for (int64_t h = 0; h < H; ++h) {
    const R* g = c.decay == DecayShape::kNone ? nullptr : c.g + h * width;
    lead_rank1(K, c.decay, g, c.b + h * K, c.c + h * K, M.data() + h * K * K);
  }
}

// Nothing from before the tokens is left.
template <class R>
void forget_before(const HeadCoeffs<R>& c, std::vector<R>& M) {
  std::fill(M.begin(), M.end(), c.b != nullptr ? R(0) : -std::numeric_limits<R>::infinity());
}

// S [H, K, V] becomes M S.
template <class R>
void apply_transition(const HeadDims& d, const HeadCoeffs<R>& c, const std::vector<R>& M, R* S) {
  if (M.empty()) return;
  const int64_t H = d.H, K = d.K, V = d.V;
  if (c.b == nullptr) {
    for (int64_t i = 0; i < H * K; ++i) {
      const R factor = std::exp(M[static_cast<size_t>(c.decay == DecayShape::kRow ? i : i / K)]);
      for (int64_t v = 0; v < V; ++v) S[i * V + v] *= factor;
    }
    return;
  }
  std::vector<R> before(static_cast<size_t>(K * V));  // [K, V]
  for (int64_t h = 0; h < H; ++h) {
    R* state = S + h * K * V;
    std::copy_n(state, K * V, before.data());
    gemm({K, V, K}, M.data() + h * K * K, K, before.data(), V, R(0), state, V);
  }
}

}  // namespace hindscan::kernels::glr
