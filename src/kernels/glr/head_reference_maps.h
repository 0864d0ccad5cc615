// Tiles and block sums of the implicit attention of head.h, and the residual of a float pass. Included by
// head_reference.h.
#pragma once
#include <limits>

#include "kernels/glr/head_reference.h"

namespace hindscan::kernels::glr::reference {

// L [K, N] <- (A_end-1 ... A_begin)^T L: token by token, or for diagonal A by the sum of the log decays.
template <class R>
void adjoint_over(const HeadView<R>& head, int64_t begin, int64_t end, int64_t N, double* L, double* scratch) {
  if (head.rank1()) {
    for (int64_t t = end - 1; t >= begin; --t) transition_adjoint(head, t, N, L, scratch);
    return;
  }
  if (head.c.decay == DecayShape::kNone || begin >= end) return;
  const bool shared = head.c.decay == DecayShape::kScalar;
  for (int64_t i = 0; i < head.d.K; ++i) {
    double log = 0;
    for (int64_t t = begin; t < end; ++t) {
      log += static_cast<double>(shared ? head.c.g[head.head_at(t)] : head.c.g[head.row_at(t) + i]);
    }
    for (int64_t n = 0; n < N; ++n) L[i * N + n] *= std::exp(log);
  }
}

// visit(i, j, r, w, alpha) for every entry of one head with i in I, j in J, j <= i, column by column.
template <class R, class Visit>
void for_entries(const HeadView<R>& head, TileRange I, TileRange J, const Visit& visit) {
  const int64_t W = head.d.R, rows = I.end - I.begin, N = rows * W;
  std::vector<double> L(static_cast<size_t>(head.d.K * N));                                            // [K, rows, R]
  std::vector<double> dy(static_cast<size_t>(W * N)), dv(dy.size()), scratch(static_cast<size_t>(N));  // [R, rows, R]
  const int64_t last = std::min(I.end, head.d.T);
  int64_t t = last - 1;
  const auto step = [&] {
    const bool row = t >= I.begin;
    for (int64_t r = 0; row && r < W; ++r) dy[r * N + (t - I.begin) * W + r] = 1.0;
    adjoint_token(head, t, N, dy.data(), L.data(), dv.data(), scratch.data());
    for (int64_t r = 0; row && r < W; ++r) dy[r * N + (t - I.begin) * W + r] = 0.0;
  };
  for (; t >= std::max(I.begin, J.end); --t) step();
  if (t >= J.end) {
    adjoint_over(head, J.end, t + 1, N, L.data(), scratch.data());
    t = J.end - 1;
  }
  for (; t >= J.begin; --t) {
    step();
    for (int64_t i = std::max(t, I.begin); i < last; ++i) {
      for (int64_t r = 0; r < W; ++r) {
        for (int64_t w = 0; w < W; ++w) visit(i, t, r, w, dv[w * N + (i - I.begin) * W + r]);
      }
    }
  }
}

template <class R>
void tile_head(const HeadView<R>& head, HeadMap map, int64_t pair, double scale, TileRange I, TileRange J,
               const HeadTileFold<R>& fold, double* out) {
  for_entries(head, I, J, [&](int64_t i, int64_t j, int64_t r, int64_t w, double entry) {
    if (pair >= 0 && pair != r * head.d.R + w) return;
    if (fold.gate) entry *= static_cast<double>(fold.gate[head.head_at(i)]);
    if (fold.slope) entry *= static_cast<double>(fold.slope[head.head_at(j)]);
    if (map == HeadMap::kMeanAbs) entry = std::abs(entry);
    if (map == HeadMap::kMeanPositive) entry = std::max(entry, 0.0);
    out[(i - I.begin) * (J.end - J.begin) + j - J.begin] += scale * entry;
  });
}

// kOne with R > 1: `head` counts head + H (r_out R + r_in).
template <class R>
void tile(const HeadDims& d, const HeadCoeffs<R>& c, HeadMap map, int64_t head, TileRange I, TileRange J,
          const HeadTileFold<R>& fold, R* out) {
  std::vector<double> sum(static_cast<size_t>((I.end - I.begin) * (J.end - J.begin)));  // [I, J]
  if (map == HeadMap::kOne) {
    tile_head(HeadView<R>{d, c, head % d.H}, map, head / d.H, 1.0, I, J, fold, sum.data());
  } else {
    const double scale = 1.0 / static_cast<double>(d.H * d.R * d.R);
    for (int64_t h = 0; h < d.H; ++h) tile_head(HeadView<R>{d, c, h}, map, -1, scale, I, J, fold, sum.data());
  }
  for (size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<R>(sum[i]);
}

// What one block of tokens is to the others: sums over its rows and its columns, and its operator.
struct BlockOperators {
  std::vector<double> rows;      // [blocks, K] adjoint of the state before the block, of the sum of its outputs
  std::vector<double> columns;   // [blocks, K] state after the block for values of one
  std::vector<double> diagonal;  // [blocks] the sum of alpha inside the block
  std::vector<double> product;   // [blocks, K] decay, or [blocks, K, K] the operator (rank 1, blocks longer than K / 2)
};

// Whether a block of this length is cheaper as a K x K operator than token by token.
inline bool as_matrix(int64_t length, int64_t K) { return 2 * length > K; }

template <class R>
void block_operator(const HeadView<R>& head, int64_t begin, int64_t end, double* product, double* scratch) {
  const int64_t K = head.d.K;
  if (!head.rank1()) {
    std::fill(product, product + K, 1.0);
    return adjoint_over(head, begin, end, 1, product, scratch);
  }
  if (!as_matrix(end - begin, K)) return;
  for (int64_t i = 0; i < K * K; ++i) product[i] = i % (K + 1) == 0 ? 1.0 : 0.0;
  adjoint_over(head, begin, end, K, product, scratch);  // [K, K] = (A_end-1 ... A_begin)^T
}

template <class R>
BlockOperators block_operators(const HeadView<R>& head, const int64_t* edges, int64_t blocks) {
  const int64_t K = head.d.K, W = head.d.R, size = head.rank1() ? K * K : K;
  BlockOperators ops;
  ops.rows.resize(static_cast<size_t>(blocks * K)), ops.columns.resize(ops.rows.size());
  ops.diagonal.resize(static_cast<size_t>(blocks)), ops.product.resize(static_cast<size_t>(blocks * size));
  const std::vector<double> ones(static_cast<size_t>(W), 1.0);
  std::vector<double> dv(ones.size()), scratch(static_cast<size_t>(std::max(K, W)));
  for (int64_t p = 0; p < blocks; ++p) {
    for (int64_t t = edges[p + 1] - 1; t >= edges[p]; --t) {
      adjoint_token(head, t, 1, ones.data(), ops.rows.data() + p * K, dv.data(), scratch.data());
      for (const double value : dv) ops.diagonal[static_cast<size_t>(p)] += value;
    }
    double* column = ops.columns.data() + p * K;
    for (int64_t t = edges[p]; t < edges[p + 1]; ++t) {
      transition(head, t, 1, column, scratch.data());
      for (int64_t w = 0; w < W; ++w) add_outer(head.k(t, w), ones.data(), head.write(t), K, 1, column);
    }
    block_operator(head, edges[p], edges[p + 1], ops.product.data() + p * size, scratch.data());
  }
  return ops;
}

// x [K] <- the operator of block q, transposed, times x.
template <class R>
void apply_block(const HeadView<R>& head, const BlockOperators& ops, const int64_t* edges, int64_t q,
                 std::vector<double>* x, std::vector<double>* scratch) {
  const int64_t K = head.d.K;
  if (!head.rank1()) {
    for (int64_t i = 0; i < K; ++i) (*x)[i] *= ops.product[q * K + i];
  } else if (as_matrix(edges[q + 1] - edges[q], K)) {
    for (int64_t i = 0; i < K; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < K; ++j) sum += ops.product[(q * K + i) * K + j] * (*x)[j];
      (*scratch)[i] = sum;
    }
    x->swap(*scratch);
  } else {
    adjoint_over(head, edges[q], edges[q + 1], 1, x->data(), scratch->data());
  }
}

template <class R>
void block_sums_head(const HeadView<R>& head, const int64_t* edges, int64_t blocks, double scale, double* out) {
  const int64_t K = head.d.K;
  const BlockOperators ops = block_operators(head, edges, blocks);
  std::vector<double> x(static_cast<size_t>(K)), scratch(x.size());
  for (int64_t p = 0; p < blocks; ++p) {
    out[p * blocks + p] += scale * ops.diagonal[static_cast<size_t>(p)];
    std::copy_n(ops.rows.begin() + p * K, K, x.begin());
    for (int64_t q = p - 1; q >= 0; --q) {
      double sum = 0;
      for (int64_t i = 0; i < K; ++i) sum += x[static_cast<size_t>(i)] * ops.columns[static_cast<size_t>(q * K + i)];
      out[p * blocks + q] += scale * sum;
      apply_block(head, ops, edges, q, &x, &scratch);
    }
  }
}

template <class R>
void block_sums(const HeadDims& d, const HeadCoeffs<R>& c, int64_t head, const int64_t* edges, int64_t blocks, R* out) {
  std::vector<double> sum(static_cast<size_t>(blocks * blocks));
  const int64_t first = head < 0 ? 0 : head, last = head < 0 ? d.H : head + 1;
  const double scale = 1.0 / static_cast<double>((last - first) * d.R * d.R);
  for (int64_t h = first; h < last; ++h) block_sums_head(HeadView<R>{d, c, h}, edges, blocks, scale, sum.data());
  for (size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<R>(sum[i]);
}

// ||y_t - ref_t|| / ||ref_t|| over all heads; 0 where both are 0, infinite where only the reference is.
inline void forward_residual(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, double* state,
                             const float* y, double* residual) {
  std::vector<double> squares(static_cast<size_t>(d.H * d.T * 2));  // [H, T, 2] of the difference, of the reference
  for_heads(d, c, [&](const HeadView<float>& head) {
    std::vector<double> out(static_cast<size_t>(d.R * d.V)), scratch(static_cast<size_t>(d.V));
    double* sums = squares.data() + head.h * d.T * 2;
    for (int64_t t = 0; t < d.T; ++t) {
      forward_token(head, t, v, state + head.h * d.K * d.V, out.data(), scratch.data());
      for (int64_t i = 0; i < d.R * d.V; ++i) {
        const double ref = out[static_cast<size_t>(i)];
        const double diff = static_cast<double>(y[head.value_at(t, i / d.V) + i % d.V]) - ref;
        sums[2 * t] += diff * diff, sums[2 * t + 1] += ref * ref;
      }
    }
  });
  for (int64_t t = 0; t < d.T; ++t) {
    double diff = 0, ref = 0;
    for (int64_t h = 0; h < d.H; ++h) {
      diff += squares[static_cast<size_t>((h * d.T + t) * 2)],
          ref += squares[static_cast<size_t>((h * d.T + t) * 2 + 1)];
    }
    const double none = diff == 0 ? 0.0 : std::numeric_limits<double>::infinity();
    residual[t] = ref > 0 ? std::sqrt(diff / ref) : none;
  }
}

}  // namespace hindscan::kernels::glr::reference
