// How far outputs are from an independent evaluation, row by row.
#pragma once
#include <cmath>
#include <cstdint>

namespace hindscan {

// Of sums of squares: ||y - ref|| / ||ref||.
inline double relative(double error, double norm) { return error == 0 ? 0 : std::sqrt(error / norm); }

// residual[t] of rows y_t and ref_t ([T, C]).
inline void relative_rows(int64_t T, int64_t C, const double* y, const double* reference, double* residual) {
  for (int64_t t = 0; t < T; ++t) {
    double error = 0, norm = 0;
    for (int64_t i = t * C; i < (t + 1) * C; ++i) {
      error += (y[i] - reference[i]) * (y[i] - reference[i]);
      norm += reference[i] * reference[i];
    }
    residual[t] = relative(error, norm);
  }
}

}  // namespace hindscan
