// 95 % intervals of measured numbers.
#pragma once
#include <cmath>
#include <cstdint>
#include <optional>

#include "hindscan/interval.h"

namespace hindscan {

constexpr double kNormal95 = 1.959963984540054;  // two-sided

// Of a share of n independent trials (Wilson's, which does not shrink to a point at 0 or n hits); null without trials.
inline std::optional<Interval> share_interval(int64_t hits, int64_t n) {
  if (n <= 0) return std::nullopt;
  const double N = static_cast<double>(n), p = static_cast<double>(hits) / N, z2 = kNormal95 * kNormal95;
  const double middle = (p + z2 / (2 * N)) / (1 + z2 / N);
  const double half = kNormal95 / (1 + z2 / N) * std::sqrt(p * (1 - p) / N + z2 / (4 * N * N));
  return Interval{hits == 0 ? 0 : middle - half, hits == n ? 1 : middle + half};
}

// Mean of numbers that are added one by one, with the standard error it has when they are independent.
class RunningMean {
 public:
  void add(double x) {
    ++n_;
    const double before = mean_;
    mean_ += (x - before) / static_cast<double>(n_);
    squares_ += (x - before) * (x - mean_);
  }
  int64_t count() const { return n_; }
  double mean() const { return mean_; }
  std::optional<double> standard_error() const {
    if (n_ < 2) return std::nullopt;
    const double n = static_cast<double>(n_);
    return std::sqrt(squares_ / (n - 1) / n);
  }
  std::optional<Interval> interval() const {
    const std::optional<double> error = standard_error();
    if (!error) return std::nullopt;
    return Interval{mean_ - kNormal95 * *error, mean_ + kNormal95 * *error};
  }

 private:
  int64_t n_ = 0;
  double mean_ = 0, squares_ = 0;
};

}  // namespace hindscan
