// What the sweeps for the gradients of q, k and the decays work on, and their memory.
#pragma once
#include <vector>

#include "kernels/glr/head_sweep.h"

namespace hindscan::kernels::glr {

// A whole problem; token_dots [H, T, R, R] is dy_r . v_w. sums [H, blocks of K, 3, T]: each block's share of dg, ds,
// du.
struct KeyTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *S0, *dy, *token_dots;
  const HeadGrads<float>& grads;
  float* sums;
};

// Memory of one thread.
struct KeyScratch {
  std::vector<float> S, L;   // [V, lanes]
  std::vector<float> kept;   // [panels, V, lanes] S after each panel
  std::vector<float> reads;  // [T, lanes] sum_r q dq
};

}  // namespace hindscan::kernels::glr
