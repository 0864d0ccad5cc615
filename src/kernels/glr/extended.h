// Forward passes over doubles in extended precision, by code of their own: what the residuals of double passes are
// measured against. The double kernels are references; measured against themselves they would always be right.
#pragma once
#include "kernels/glr/element.h"
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

// As element_forward: y [T, D] is overwritten, S [D, N] carried.
void element_forward_extended(const ElementDims&, const ElementCoeffs<double>&, const double* x, double* S, double* y);
// As head_forward: y [T, R, H, V] is overwritten, S [H, K, V] carried.
void head_forward_extended(const HeadDims&, const HeadCoeffs<double>&, const double* v, double* S, double* y);

}  // namespace hindscan::kernels::glr
