// Random problems for the element recurrence, the same values in float and double, and the comparisons of the tests.
#pragma once
#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"

namespace hindscan::kernels::glr {

template <class R>
std::vector<R> poisoned(int64_t n) {
  return std::vector<R>(static_cast<size_t>(n), std::numeric_limits<R>::quiet_NaN());
}

template <class R>
struct Problem {
  ElementDims dims;
  std::vector<R> dt, A, B, C, x, S, dy;

  ElementCoeffs<R> coeffs() const { return {dt.data(), A.data(), B.data(), C.data()}; }

  template <class Q>
  Problem<Q> as() const {
    const auto cast = [](const std::vector<R>& v) { return std::vector<Q>(v.begin(), v.end()); };
    return {dims, cast(dt), cast(A), cast(B), cast(C), cast(x), cast(S), cast(dy)};
  }
};

// Steps and rates as in a trained Mamba: dt log-uniform in [1e-3, 1e-1] with a few resets, A near -(n + 1).
inline Problem<float> random_problem(int64_t T, int64_t D, int64_t N, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  Problem<float> p{{T, D, N}, {}, {}, {}, {}, {}, {}, {}};
  for (int64_t i = 0; i < T * D; ++i) {
    p.dt.push_back(unit(rng) < 0.01f ? 4.0f : 1e-3f * std::pow(100.0f, unit(rng)));
  }
  for (int64_t i = 0; i < D * N; ++i) p.A.push_back(-(static_cast<float>(i % N) + 1.0f) * (0.8f + 0.4f * unit(rng)));
  const auto fill = [&](std::vector<float>& v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) v.push_back(normal(rng));
  };
  fill(p.B, T * N), fill(p.C, T * N), fill(p.x, T * D), fill(p.S, D * N), fill(p.dy, T * D);
  return p;
}

// alpha[d, i, j] from its formula, in double: no recurrence involved.
template <class R>
double alpha(const Problem<R>& p, int64_t d, int64_t i, int64_t j) {
  if (j > i) return 0;
  const auto at = [](const std::vector<R>& v, int64_t k) { return static_cast<double>(v[static_cast<size_t>(k)]); };
  double steps = 0, sum = 0;
  for (int64_t k = j + 1; k <= i; ++k) steps += at(p.dt, k * p.dims.D + d);
  for (int64_t n = 0; n < p.dims.N; ++n) {
    sum += at(p.C, i * p.dims.N + n) * std::exp(at(p.A, d * p.dims.N + n) * steps) * at(p.B, j * p.dims.N + n);
  }
  return sum * at(p.dt, j * p.dims.D + d);
}

// The whole matrix of one channel, [T, T].
template <class R>
std::vector<double> alpha_matrix(const Problem<R>& p, int64_t d) {
  std::vector<double> m;
  for (int64_t i = 0; i < p.dims.T; ++i) {
    for (int64_t j = 0; j < p.dims.T; ++j) m.push_back(alpha(p, d, i, j));
  }
  return m;
}

// Largest |a - b| over the largest |b|; infinite when a is not finite or the sizes differ.
template <class P, class Q>
double max_error(const std::vector<P>& a, const std::vector<Q>& b) {
  double error = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity(), scale = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double diff = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(diff <= error)) error = std::isfinite(diff) ? diff : std::numeric_limits<double>::infinity();
    scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  }
  return scale > 0 ? error / scale : error;
}

// RMS of a - b over the RMS of b.
template <class P, class Q>
double rms_error(const std::vector<P>& a, const std::vector<Q>& b) {
  double error = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity(), scale = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double diff = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += diff * diff;
    scale += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return scale > 0 ? std::sqrt(error / scale) : std::sqrt(error);
}

// Runs each test once per instruction set this machine (and HINDSCAN_FORCE_ISA) allows.
class ElementIsa : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    ensure_isa_cap();
    if (GetParam() > allowed_isa()) GTEST_SKIP() << isa_name(GetParam()) << " is not available";
    constexpr int64_t kTargets[] = {HWY_SCALAR, HWY_SSE4, HWY_AVX2, HWY_AVX3};
    hwy::SetSupportedTargetsForTest(kTargets[static_cast<int>(GetParam())]);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

inline std::string isa_test_name(const ::testing::TestParamInfo<Isa>& info) { return isa_name(info.param); }

#define HS_INSTANTIATE_ISAS(Suite)                                                                         \
  INSTANTIATE_TEST_SUITE_P(, Suite, ::testing::Values(Isa::kScalar, Isa::kSse4, Isa::kAvx2, Isa::kAvx512), \
                           isa_test_name)

}  // namespace hindscan::kernels::glr
