// Rules that hand on the relevance R = x * adjoint of an array: formulas in core/rules.h, here as modified adjoints, so
// that the tape stores one kind of thing.
#pragma once
#include <cstdint>
#include <functional>

#include "base/arena.h"
#include "core/local_rule.h"

namespace hindscan {

// kIdentity: every element keeps its relevance. Adds to dx.
template <class R>
void keep_relevance(int64_t n, double epsilon, const R* x, const R* y, const R* dy, R* dx);

// A linear op by its two products, on arrays of its own shapes; both overwrite what they give.
template <class R>
struct LinearMap {
  int64_t inputs, outputs, weights;  // numbers of each array
  const R* w;
  const R* bias;                                                   // [channels] or null
  int64_t channels;                                                // of an output row
  std::function<void(const R* w, const R* x, R* y)> apply;         // y = W x, without the bias
  std::function<void(const R* w, const R* dy, R* dx)> transposed;  // dx = W^T dy
};

template <class R>
LinearMap<R> dense_map(int64_t rows, int64_t in, int64_t out, const R* w, const R* bias);  // w [out, in]
template <class R>
LinearMap<R> block_map(int64_t rows, int64_t heads, int64_t in, int64_t out, const R* w,  // w [heads, in, out]
                       const R* bias);

// kEpsilon and kGamma. With s_j = dy_j y_j / (d_j + eps sign y_j), d_j the denominator without eps:
//   dx_i += sum_j s_j (w_ij + gamma w_ij where x_i w_ij has the sign of y_j)
// and s_j = 0 where y_j = 0. y includes the bias, whose relevance is returned.
template <class R>
double share_relevance(const LinearMap<R>& map, const LocalRule& rule, const R* x, const R* y, const R* dy,
                       Arena& scratch, R* dx);

}  // namespace hindscan
