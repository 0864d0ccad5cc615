// Random problems for the element recurrence, the same values in float and double.
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
#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"

namespace hindscan::kernels::glr {

template <class R>
std::vector<R> poisoned(int64_t n) {
  return not_a_number<R>(n);
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

// What the start state S adds to y_t[d], by formula.
template <class R>
double carried(const Problem<R>& p, int64_t t, int64_t d) {
  const auto at = [](const std::vector<R>& v, int64_t k) { return static_cast<double>(v[static_cast<size_t>(k)]); };
  double steps = 0, sum = 0;
  for (int64_t k = 0; k <= t; ++k) steps += at(p.dt, k * p.dims.D + d);
  for (int64_t n = 0; n < p.dims.N; ++n) {
    const int64_t dn = d * p.dims.N + n;
    sum += at(p.C, t * p.dims.N + n) * std::exp(at(p.A, dn) * steps) * at(p.S, dn);
  }
  return sum;
}

template <class R>
std::vector<double> attended(const Problem<R>& p) {
  const auto [T, D, N] = p.dims;
  std::vector<double> y(p.x.size());  // [T, D]
  for (int64_t d = 0; d < D; ++d) {
    const std::vector<double> m = alpha_matrix(p, d);
    for (int64_t t = 0; t < T; ++t) {
      double sum = carried(p, t, d);
      for (int64_t j = 0; j <= t; ++j) {
        sum += m[static_cast<size_t>(t * T + j)] * static_cast<double>(p.x[static_cast<size_t>(j * D + d)]);
      }
      y[static_cast<size_t>(t * D + d)] = sum;
    }
  }
  return y;
}

// The state after the last token, by formula.
template <class R>
std::vector<double> last_state(const Problem<R>& p) {
  const auto [T, D, N] = p.dims;
  const auto at = [](const std::vector<R>& v, int64_t k) { return static_cast<double>(v[static_cast<size_t>(k)]); };
  std::vector<double> S;  // [D, N]
  for (int64_t i = 0; i < D * N; ++i) {
    const int64_t d = i / N;
    double steps = 0, sum = 0;
    for (int64_t j = T - 1; j >= 0; --j) {
      sum += std::exp(at(p.A, i) * steps) * at(p.dt, j * D + d) * at(p.B, j * N + i % N) * at(p.x, j * D + d);
      steps += at(p.dt, j * D + d);
    }
    S.push_back(sum + std::exp(at(p.A, i) * steps) * at(p.S, i));
  }
  return S;
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
