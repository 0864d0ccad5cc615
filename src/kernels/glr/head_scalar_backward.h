// What the chunked gradient of scalar transitions works on, and its memory.
#pragma once
#include "kernels/glr/head_scalar.h"

namespace hindscan::kernels::glr {

// Heads [first, last) of one group; dq and dk point at this task's own sums, [T, R, K] with row distance key_row.
struct ScalarBackwardTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *S0, *dy, *current;  // current [H, T, R, R] or null
  const HeadGrads<float>& grads;
  float *dq, *dk;
  int64_t key_row, group, first, last;
};

struct ScalarBackwardScratch : ScalarScratch {
  HugeBuffer more, states;
  float *Z, *E, *WP, *WZ;                // [n, row]
  float* turned;                         // [V, row] v^T
  float* signal;                         // [n, columns] dy times the weight of the carried state
  float* LT;                             // [V, wide] L^T
  float *through, *dq, *dk;              // [n, wide]
  float *from_state, *to_state, *pairs;  // [row]: q dq and k dk through the neighbouring chunks, suffix sums of W P Z
  int64_t wide = 0;
  float* kept = nullptr;  // [heads, chunks, V, wide] S^T at chunk starts

  void prepare(const HeadDims& d, int64_t heads, int64_t chunks) {
    resize(d);
    wide = whole_vectors(d.K);
    carve(&more, {{&Z, row * row},
                  {&E, row * row},
                  {&WP, row * row},
                  {&WZ, row * row},
                  {&turned, d.V * row},
                  {&signal, row * columns},
                  {&LT, d.V * wide},
                  {&through, row * wide},
                  {&dq, row * wide},
                  {&dk, row * wide},
                  {&from_state, row},
                  {&to_state, row},
                  {&pairs, row}});
    carve(&states, {{&kept, heads * chunks * d.V * wide}});
  }
};

}  // namespace hindscan::kernels::glr
