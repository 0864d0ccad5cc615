// Which algorithm the row + rank 1 structure (b and c given) takes; the kernels themselves are in head_kernels.h.
#pragma once
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

// Whether a chunked form exists (one write and read a token, read after the write), and whether it is faster here.
bool delta_chunked_exists(const HeadDims&, const HeadCoeffs<float>&);
bool delta_chunked_is_faster(const HeadDims&, const HeadCoeffs<float>&);

}  // namespace hindscan::kernels::glr
