// The double overloads: the reference formulas.
#include "kernels/glr/element_reference.h"

#include <algorithm>

namespace hindscan::kernels::glr {

void element_forward(const ElementDims& dims, const ElementCoeffs<double>& c, const double* x, double* S, double* y) {
  reference::forward(dims, c, x, S, y);
}

void element_backward(const ElementDims& dims, const ElementCoeffs<double>& c, const double* x, const double* S0,
                      const double* dy, const ElementGrads<double>& g) {
  reference::backward(dims, c, x, S0, dy, g);
}

void element_value_adjoint(const ElementDims& dims, const ElementCoeffs<double>& c, const double* dy, double* L,
                           double* dx) {
  reference::value_adjoint(dims, c, dy, L, dx);
}

void element_row(const ElementDims& dims, const ElementCoeffs<double>& c, int64_t t, double* row, double* L) {
  std::vector<double> unit(static_cast<size_t>((t + 1) * dims.D), 0.0);  // [t + 1, D]
  std::fill(unit.end() - dims.D, unit.end(), 1.0);
  std::fill(L, L + dims.D * dims.N, 0.0);
  std::fill(row, row + (t + 1) * dims.D, 0.0);
  reference::value_adjoint({t + 1, dims.D, dims.N}, c, unit.data(), L, row);
}

void element_row_times_mean(const ElementDims& dims, const ElementCoeffs<double>& c, const double* r, double* g,
                            double* out) {
  std::vector<double> dy(static_cast<size_t>(dims.T * dims.D)), dx(dy.size(), 0.0);  // [T, D]
  for (size_t i = 0; i < dy.size(); ++i) dy[i] = r[i / static_cast<size_t>(dims.D)];
  reference::value_adjoint(dims, c, dy.data(), g, dx.data());
  for (int64_t t = 0; t < dims.T; ++t) {
    double sum = 0;
    for (int64_t d = 0; d < dims.D; ++d) sum += dx[static_cast<size_t>(t * dims.D + d)];
    out[t] = sum / static_cast<double>(dims.D);
  }
}

void element_tile(const ElementDims& dims, const ElementCoeffs<double>& c, ElementMap map, int64_t channel, Range rows,
                  Range cols, const ElementMixer<double>& mixer, double* tile) {
  reference::tile(dims, c, map, channel, rows, cols, mixer, tile);
}

void element_block_sums(const ElementDims& dims, const ElementCoeffs<double>& c, int64_t channel, const int64_t* edges,
                        int64_t blocks, double* out) {
  const Range channels = channel < 0 ? Range{0, dims.D} : Range{channel, channel + 1};
  std::vector<double> one(static_cast<size_t>(blocks * blocks));  // [blocks, blocks]
  std::fill(out, out + blocks * blocks, 0.0);
  for (int64_t d = channels.begin; d < channels.end; ++d) {
    reference::block_sums(reference::Channel<double>{dims, c, d}, edges, blocks, false, one.data());
    for (size_t i = 0; i < one.size(); ++i) out[i] += one[i] / static_cast<double>(channels.end - channels.begin);
  }
}

void element_block_bounds(const ElementDims& dims, const ElementCoeffs<double>& c, ElementMap map, const int64_t* edges,
                          int64_t blocks, double* lower, double* upper) {
  constexpr double kRounding = 1e-12;  // of the sums: the bounds are widened by it
  const bool positive = map == ElementMap::kMeanPositive;
  std::vector<double> sums(static_cast<size_t>(blocks * blocks)), absolute(sums.size());  // [blocks, blocks]
  std::fill(lower, lower + blocks * blocks, 0.0);
  std::fill(upper, upper + blocks * blocks, 0.0);
  for (int64_t d = 0; d < dims.D; ++d) {
    reference::block_sums(reference::Channel<double>{dims, c, d}, edges, blocks, false, sums.data());
    reference::block_sums(reference::Channel<double>{dims, c, d}, edges, blocks, true, absolute.data());
    for (size_t i = 0; i < sums.size(); ++i) {
      const double high = positive ? (absolute[i] + sums[i]) / 2 : absolute[i];
      const double low = positive ? std::max(sums[i], 0.0) : std::abs(sums[i]);
      upper[i] += (high + kRounding * absolute[i]) / static_cast<double>(dims.D);
      lower[i] += std::max(0.0, low - kRounding * absolute[i]) / static_cast<double>(dims.D);
    }
  }
}

}  // namespace hindscan::kernels::glr
