// The current token's part of alpha that does not pass through the state: q_{t,r}^T diag(u) k_{t,r'}.
#pragma once
#include <vector>

#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

// [H, T, R, R] (r, r'); kBefore: u [H, K] within the product, kDecayed: u_t times it, kAfter: s_t times it, the part of
// the state's read that the current token wrote. Empty when there is none (u null).
std::vector<float> current_weights(const HeadDims&, const HeadCoeffs<float>&);

}  // namespace hindscan::kernels::glr
