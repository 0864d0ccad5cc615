// Random tensors, poisoned outputs and runs under several threads for the pointwise tests.
#pragma once
#include <gtest/gtest.h>
#include <omp.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"

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
  return not_a_number<R>(n);
}

inline Vec<double> widen(const Vec<float>& v) { return {v.begin(), v.end()}; }

template <class R>
bool same_bits(const Vec<R>& a, const Vec<R>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(R)) == 0);
}

// Runs body under 1 and 2 threads and expects the same bits from both; returns one of the results.
template <class Body>
auto under_threads(const Body& body) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  auto one = body();
  omp_set_num_threads(2);
  const auto two = body();
  omp_set_num_threads(before);
  EXPECT_EQ(one.size(), two.size());
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_TRUE(same_bits(one[i], two[i])) << "output " << i << " depends on threads";
  return one;
}

// For outputs that are differences of larger terms on the way: what those are, added to what a result is worth.
using Terms = std::function<Arrays(const Arrays& inputs, const Arrays& outputs)>;

// body(inputs) -> outputs, in float under both thread counts and in double. The inputs are normal; once more with heavy
// tails, where an error is measured in what the result is worth.
template <class Body>
void expect_float_follows(const std::vector<Vec<float>>& normals, const Tolerance& t, const std::string& what,
                          const Body& body, const Terms& terms = {}) {
  for (const Law law : kLaws) {
    std::vector<Vec<float>> inputs;
    Arrays wide;
    for (const Vec<float>& v : normals) inputs.push_back(tailed(v, law)), wide.push_back(widen(inputs.back()));
    const std::vector<Vec<float>> got = under_threads([&] { return body(inputs); });
    const Arrays want = body(wide);
    ASSERT_EQ(got.size(), want.size());
    Arrays worth = law == Law::kNormal ? want : sensitivity(wide, body);
    const Arrays more = terms ? terms(wide, want) : Arrays(want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      for (size_t k = 0; k < more[i].size(); ++k) worth[i][k] += more[i][k];
      EXPECT_TRUE(law == Law::kNormal ? agree(got[i], want[i], t.or_empty())
                                      : agree(got[i], want[i], worth[i], tol::kF32Heavy.or_empty()))
          << what << " output " << i << " " << law_name(law);
    }
  }
}

}  // namespace hindscan::kernels
