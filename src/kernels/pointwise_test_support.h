// Random tensors, poisoned outputs and comparisons for the pointwise tests.
#pragma once
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace hindscan::kernels {

template <class R>
using Vec = std::vector<R>;

inline Vec<float> random_floats(int64_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> dist(0.0f, scale);
  Vec<float> v(static_cast<size_t>(n));
  for (float& f : v) f = dist(rng);
  return v;
}

template <class R>
Vec<R> poisoned(int64_t n) {
  return Vec<R>(static_cast<size_t>(n), std::numeric_limits<R>::quiet_NaN());
}

inline Vec<double> widen(const Vec<float>& v) { return {v.begin(), v.end()}; }

// |got - want| <= tolerance * (1 + |want|) everywhere; NaN never passes.
inline void expect_close(const Vec<float>& got, const Vec<double>& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double worst = 0.0;
  size_t where = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double{got[i]} - want[i]) / (1.0 + std::abs(want[i]));
    if (!(error <= worst)) {
      worst = error;
      where = i;
    }
  }
  EXPECT_LE(worst, tolerance) << what << " at " << where << ": " << (got.empty() ? 0.0f : got[where]);
}

template <class R>
bool same_bits(const Vec<R>& a, const Vec<R>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(R)) == 0);
}

// Runs body under 1 and 2 threads and expects the same bits from both; returns one of the results.
template <class Body>
auto under_threads(const Body& body) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = body();
  omp_set_num_threads(2);
  const auto two = body();
  omp_set_num_threads(before);
  EXPECT_EQ(one.size(), two.size());
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_TRUE(same_bits(one[i], two[i])) << "output " << i << " depends on threads";
  return one;
}

}  // namespace hindscan::kernels
