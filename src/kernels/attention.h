// Causal softmax attention over cached and new tokens. Heads are contiguous in a row; head h reads key head h / (heads
// / kv_heads).
//   p[h; t, j] = softmax_j s(scale q_t . k_j), s(x) = x or cap tanh(x / cap), over past + t - window < j <= past + t
//   y_t = sum_j p[h; t, j] v_j
// float: tiles with a running maximum, the tiles computed again in the adjoint; double: the reference, row by row.
// Nothing here throws (but std::bad_alloc); results do not depend on the number of threads.
#pragma once
#include <cstdint>

#include "kernels/glr/head.h"

namespace hindscan::kernels {

struct AttentionDims {
  int64_t T = 0, past = 0;  // new and cached tokens
  int64_t heads = 1, kv_heads = 1;
  int64_t d = 0, d_v = 0;
  int64_t window = 0;  // > 0: a token sees itself and the window - 1 before it
  double scale = 1, soft_cap = 0;

  int64_t keys() const { return past + T; }
  int64_t first_key(int64_t t) const { return window > 0 && past + t + 1 > window ? past + t + 1 - window : 0; }
};

template <class R>
struct AttentionInputs {
  const R* q;  // [T, heads*d]
  const R* k;  // [past + T, kv_heads*d]
  const R* v;  // [past + T, kv_heads*d_v]
};

template <class R>
struct AttentionGrads {  // accumulated; null: not wanted
  R *dq = nullptr, *dk = nullptr, *dv = nullptr;
};

#define HS_DECLARE(R)                                                                                                 \
  /* y [T, heads*d_v] is overwritten; lse [T, heads] the log of each row's sum of exponentials, or null */            \
  void attention_forward(const AttentionDims&, const AttentionInputs<R>&, R* y, R* lse);                              \
  /* dv alone is the adjoint with the weights held */                                                                 \
  void attention_backward(const AttentionDims&, const AttentionInputs<R>&, const R* y, const R* lse, const R* dy,     \
                          const AttentionGrads<R>&);                                                                  \
  /* out [I, J] = p[head; t in I, j in J], row-major; zero where t does not see j. v is not read. */                  \
  void attention_weights(const AttentionDims&, const AttentionInputs<R>&, const R* lse, int64_t head,                 \
                         glr::TileRange I, glr::TileRange J, R* out);                                                 \
  /* out [past + T]: row t of one head, or (head < 0) the mean over heads */                                          \
  void attention_row(const AttentionDims&, const AttentionInputs<R>&, const R* lse, int64_t head, int64_t t, R* out); \
  /* out [past + T, heads]: sum over t of w[t, h] p[h; t, j]; w [T, heads] */                                         \
  void attention_row_times(const AttentionDims&, const AttentionInputs<R>&, const R* lse, const R* w, R* out);        \
  /* As head_tile: gate [T, heads] multiplies rows, slope [past + T, heads] columns, before the reduction over heads. \
   */                                                                                                                 \
  void attention_tile(const AttentionDims&, const AttentionInputs<R>&, const R* lse, glr::HeadMap, int64_t head,      \
                      glr::TileRange I, glr::TileRange J, const glr::HeadTileFold<R>&, R* out);                       \
  /* out [rows, columns]: sums over blocks of tokens; row_edges in 0..T, column_edges in 0..past + T, both ascending  \
   */                                                                                                                 \
  void attention_block_sums(const AttentionDims&, const AttentionInputs<R>&, const R* lse, int64_t head,              \
                            const int64_t* row_edges, int64_t rows, const int64_t* column_edges, int64_t columns,     \
                            R* out);
HS_DECLARE(float)
HS_DECLARE(double)
#undef HS_DECLARE

}  // namespace hindscan::kernels
