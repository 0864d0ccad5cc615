// Attention of many short sequences over rows of keys and values that they share: what each has attended to of its own
// and the shared rows become one softmax.
#pragma once
#include "kernels/attention.h"

namespace hindscan::kernels {

// The shared rows that a token sees: [begin, count) without [gap_begin, gap_end).
struct SharedView {
  int64_t count = 0, gap_begin = 0, gap_end = 0, begin = 0;

  // The last `rows` of them.
  SharedView last(int64_t rows) const;
};

// dims: T tokens with their heads and widths; window and past are not read. q [T, heads*d]; k [rows, kv_heads*d] and v
// [rows, kv_heads*d_v] as many as the largest count; views [T]. y [T, heads*d_v] and lse [T, heads]: of the tokens' own
// rows, then of both. float: matrix products by blocks of rows; double: the same steps.
void attend_shared(const AttentionDims& dims, const float* q, const float* k, const float* v, const SharedView* views,
                   float* y, float* lse);
void attend_shared(const AttentionDims& dims, const double* q, const double* k, const double* v,
                   const SharedView* views, double* y, double* lse);

}  // namespace hindscan::kernels
