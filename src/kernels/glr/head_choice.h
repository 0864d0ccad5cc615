// Which algorithm is faster for a shape.
#pragma once
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

bool diagonal_chunked_exists(const HeadDims&, const HeadCoeffs<float>&);
bool diagonal_chunked_is_faster(const HeadDims&, const HeadCoeffs<float>&, bool backward);
bool rank1_chunked_is_faster(const HeadDims&, const HeadCoeffs<float>&, bool backward);

}  // namespace hindscan::kernels::glr
