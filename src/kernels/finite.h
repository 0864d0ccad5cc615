// Where numbers stop being numbers.
#pragma once
#include <cstdint>

namespace hindscan::kernels {

// Index of the first NaN or infinity of x [n], or -1.
int64_t first_non_finite(int64_t n, const float* x);
int64_t first_non_finite(int64_t n, const double* x);

}  // namespace hindscan::kernels
