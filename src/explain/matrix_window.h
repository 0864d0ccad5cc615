// Coefficients of one layer over a range of tokens, collected chunk by chunk: what tiles and block sums are made from.
#pragma once
#include <vector>

#include "explain/mixer_view.h"

namespace hindscan {

template <class R>
struct ElementWindow {
  int64_t begin = 0, end = 0;  // tokens of the text
  int64_t D = 0, N = 0, K = 0;
  std::vector<R> dt, A, B, C;        // [T, D], [D, N], [T, N], [T, N]
  std::vector<R> gate, slope, conv;  // [T, D], [T, D], [D, K]; empty when not folded in

  kernels::glr::ElementDims dims() const { return {end - begin, D, N}; }
  kernels::glr::ElementCoeffs<R> coeffs() const { return {dt.data(), A.data(), B.data(), C.data()}; }
  kernels::glr::ElementMixer<R> mixer() const;
  // Appends the tokens of this chunk (from `first` on) that lie in the range; fold: with convolution, activation, gate.
  void append(Ctx& ctx, const ElementView<R>& view, int64_t first, bool fold);

  static int64_t bytes(int64_t tokens, int64_t D, int64_t N, bool fold) {
    return tokens * (D * (fold ? 3 : 1) + 2 * N) * static_cast<int64_t>(sizeof(R));
  }
};

}  // namespace hindscan
