// Initialisations beyond the elementary ones.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/weights.h"

namespace hindscan {

Init Init::constant(double value) {
  return custom(
      [value](std::span<double> out, const std::vector<int64_t>&, Rng&) { std::fill(out.begin(), out.end(), value); });
}

Init Init::uniform_range(double low, double high) {
  return custom([=](std::span<double> out, const std::vector<int64_t>&, Rng& rng) {
    for (double& v : out) v = low + (high - low) * rng.uniform();
  });
}

Init Init::log_uniform(double low, double high) {
  return custom([=](std::span<double> out, const std::vector<int64_t>&, Rng& rng) {
    for (double& v : out) v = std::log(low + (high - low) * rng.uniform());
  });
}

// Gram-Schmidt, twice for accuracy, on the short side's vectors.
Init Init::orthogonal(double gain) {
  return custom([=](std::span<double> out, const std::vector<int64_t>& shape, Rng& rng) {
    const int64_t rows = shape[0], cols = static_cast<int64_t>(out.size()) / rows;
    const bool by_row = rows <= cols;
    const int64_t n = by_row ? rows : cols, length = by_row ? cols : rows;
    std::vector<double> m(out.size());  // [n, length]
    for (double& v : m) v = rng.normal();
    const auto row = [&](int64_t i) { return m.data() + i * length; };
    const auto dot = [&](int64_t i, int64_t j) {
      double sum = 0;
      for (int64_t k = 0; k < length; ++k) sum += row(i)[k] * row(j)[k];
      return sum;
    };
    for (int64_t i = 0; i < n; ++i) {
      for (int pass = 0; pass < 2; ++pass) {
        for (int64_t j = 0; j < i; ++j) {
          const double d = dot(i, j);
          for (int64_t k = 0; k < length; ++k) row(i)[k] -= d * row(j)[k];
        }
      }
      const double norm = std::sqrt(dot(i, i));
      for (int64_t k = 0; k < length; ++k) row(i)[k] /= norm;
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t k = 0; k < cols; ++k)
        out[static_cast<size_t>(r * cols + k)] = gain * (by_row ? row(r)[k] : row(k)[r]);
    }
  });
}

}  // namespace hindscan
