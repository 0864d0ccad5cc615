#include "kernels/finite.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hindscan::kernels {

namespace {

constexpr int64_t kPiece = 4096;

// An exponent of ones carries into the sign bit; the loop has no branch, so that it becomes vector code.
template <class Bits, Bits kExponent, Bits kLowest, class R>
int64_t search(int64_t n, const R* x) {
  constexpr Bits kSign = ~(~Bits{0} >> 1);
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int64_t end = std::min(n, begin + kPiece);
    Bits carry = 0;
    for (int64_t i = begin; i < end; ++i) carry |= (std::bit_cast<Bits>(x[i]) & kExponent) + kLowest;
    if ((carry & kSign) == 0) continue;
    return std::find_if_not(x + begin, x + end, [](R v) { return std::isfinite(v); }) - x;
  }
  return -1;
}

}  // namespace

int64_t first_non_finite(int64_t n, const float* x) { return search<uint32_t, 0x7f800000u, 0x00800000u>(n, x); }

int64_t first_non_finite(int64_t n, const double* x) {
  return search<uint64_t, 0x7ff0000000000000u, 0x0010000000000000u>(n, x);
}

}  // namespace hindscan::kernels
