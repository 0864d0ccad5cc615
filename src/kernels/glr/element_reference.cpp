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

}  // namespace hindscan::kernels::glr
