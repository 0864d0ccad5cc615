// Slopes of a loss by differences, for the adjoints of kernels.
#pragma once
#include <cstddef>
#include <vector>

namespace hindscan::kernels {

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// loss() reads `at`: fourth-order central differences.
template <class Loss>
std::vector<double> differences(std::vector<double>& at, const Loss& loss) {
  constexpr double h = 1e-3;
  std::vector<double> out;
  for (double& x : at) {
    const double kept = x;
    const auto shifted = [&](double step) {
      x = kept + step;
      return loss();
    };
    out.push_back((8 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12 * h));
    x = kept;
  }
  return out;
}

}  // namespace hindscan::kernels
