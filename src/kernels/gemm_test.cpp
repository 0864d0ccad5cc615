#include "kernels/gemm.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernels/gemm_backend.h"

namespace hindscan::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_floats(int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> dist(-1.0f, 1.0f);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& f : v) f = dist(rng);
  return v;
}

std::vector<double> widen(const std::vector<float>& v) { return {v.begin(), v.end()}; }

struct Case {
  GemmShape s;
  int64_t pad;  // of every leading dimension
  float beta;
};

// C is larger than the product: its padding must survive.
struct Problem {
  explicit Problem(const Case& c) : shape(c.s) {
    const GemmShape& s = c.s;
    lda = (s.trans_a ? s.M : s.K) + c.pad;
    ldb = (s.trans_b ? s.K : s.N) + c.pad;
    ldc = s.N + c.pad;
    A = random_floats((s.trans_a ? s.K : s.M) * lda, 1);
    B = random_floats((s.trans_b ? s.N : s.K) * ldb, 2);
    C = random_floats(s.M * ldc, 3);
    for (int64_t m = 0; m < s.M && c.beta == 0.0f; ++m) {
      for (int64_t n = 0; n < s.N; ++n) C[static_cast<size_t>(m * ldc + n)] = kNaN;
    }
  }
  std::vector<double> expected(float beta) const {
    std::vector<double> out = widen(C);
    for (int64_t m = 0; m < shape.M; ++m) {
      for (int64_t n = 0; n < shape.N; ++n) {
        double sum = beta == 0.0f ? 0.0 : out[static_cast<size_t>(m * ldc + n)];
        for (int64_t k = 0; k < shape.K; ++k) {
          sum += double{A[static_cast<size_t>(shape.trans_a ? k * lda + m : m * lda + k)]} *
                 double{B[static_cast<size_t>(shape.trans_b ? n * ldb + k : k * ldb + n)]};
        }
        out[static_cast<size_t>(m * ldc + n)] = sum;
      }
    }
    return out;
  }
  GemmShape shape;
  int64_t lda, ldb, ldc;
  std::vector<float> A, B, C;
};

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  double worst = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double{got[i]} - want[i]);
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
  }
  EXPECT_LE(worst, tolerance) << what;
}

std::string describe(const Case& c) {
  return "M=" + std::to_string(c.s.M) + " N=" + std::to_string(c.s.N) + " K=" + std::to_string(c.s.K) +
         (c.s.trans_a ? " At" : "") + (c.s.trans_b ? " Bt" : "") + " pad=" + std::to_string(c.pad) +
         " beta=" + std::to_string(c.beta);
}

std::vector<Case> cases() {
  std::vector<Case> out;
  const std::vector<std::array<int64_t, 3>> sizes = {
      {1, 1, 1},    {1, 70, 33}, {2, 5, 1},     {3, 64, 17},   {5, 1, 40},     {6, 63, 9},    {7, 65, 31},
      {8, 128, 64}, {9, 7, 300}, {13, 33, 257}, {50, 129, 65}, {97, 260, 300}, {49, 300, 513}};
  for (const auto& [M, N, K] : sizes) {
    for (int flags = 0; flags < 16; ++flags) {
      out.push_back(
          {{M, N, K, (flags & 1) != 0, (flags & 2) != 0}, (flags & 4) != 0 ? 5 : 0, (flags & 8) != 0 ? 1.f : 0.f});
    }
  }
  return out;
}

double tolerance(int64_t K) { return 3e-6 * (1.0 + std::sqrt(static_cast<double>(K))); }

TEST(Gemm, FloatMatchesDoubleSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    const std::vector<double> want = p.expected(c.beta);
    gemm(c.s, p.A.data(), p.lda, p.B.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    expect_near(p.C, want, tolerance(c.s.K), describe(c));
  }
}

TEST(Gemm, OwnKernelMatchesDoubleSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    const std::vector<double> want = p.expected(c.beta);
    gemm_own(c.s, p.A.data(), p.lda, p.B.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    expect_near(p.C, want, tolerance(c.s.K), describe(c));
  }
}

TEST(Gemm, DoubleMatchesDoubleSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    const std::vector<double> want = p.expected(c.beta);
    const std::vector<double> a = widen(p.A), b = widen(p.B);
    std::vector<double> got = widen(p.C);
    gemm(c.s, a.data(), p.lda, b.data(), p.ldb, double{c.beta}, got.data(), p.ldc);
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-12) << describe(c);
  }
}

TEST(Gemm, Bf16MatchesDoubleSumsOfRoundedInputs) {
  for (const Case& c : cases()) {
    Problem p(c);
    std::vector<uint16_t> a(p.A.size()), b(p.B.size());
    convert(p.A.data(), a.data(), static_cast<int64_t>(a.size()), DType::kBF16);
    convert(p.B.data(), b.data(), static_cast<int64_t>(b.size()), DType::kBF16);
    convert(a.data(), p.A.data(), static_cast<int64_t>(a.size()), DType::kBF16);
    convert(b.data(), p.B.data(), static_cast<int64_t>(b.size()), DType::kBF16);
    const std::vector<double> want = p.expected(c.beta);
    gemm_bf16(c.s, a.data(), p.lda, b.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    expect_near(p.C, want, tolerance(c.s.K), describe(c));
  }
}

TEST(Gemm, EmptyProductsZeroOrKeepC) {
  std::vector<float> C = {kNaN, kNaN, kNaN, kNaN};
  gemm({2, 2, 0}, nullptr, 1, nullptr, 2, 0.0f, C.data(), 2);
  EXPECT_EQ(C, (std::vector<float>{0, 0, 0, 0}));
  C = {1, 2, 3, 4};
  gemm({2, 2, 0}, nullptr, 1, nullptr, 2, 1.0f, C.data(), 2);
  gemm({0, 2, 3}, nullptr, 3, C.data(), 2, 0.0f, C.data(), 2);
  gemm_bf16({2, 2, 0}, nullptr, 1, nullptr, 2, 1.0f, C.data(), 2);
  EXPECT_EQ(C, (std::vector<float>{1, 2, 3, 4}));
}

TEST(Gemm, NaNReachesItsRowOnly) {
  const int64_t M = 9, N = 70, K = 40;
  std::vector<float> A = random_floats(M * K, 1), B = random_floats(N * K, 2), C(static_cast<size_t>(M * N), 0.0f);
  A[static_cast<size_t>(4 * K + 39)] = kNaN;
  for (const bool own : {false, true}) {
    (own ? gemm_own : static_cast<decltype(&gemm_own)>(gemm))({M, N, K, false, true}, A.data(), K, B.data(), K, 0.0f,
                                                              C.data(), N);
    for (int64_t i = 0; i < M * N; ++i) ASSERT_EQ(std::isnan(C[static_cast<size_t>(i)]), i / N == 4) << own << " " << i;
  }
}

// Training and prefill shapes: large enough for oneDNN to consider splitting K.
TEST(Gemm, SameBitsForOneAndTwoThreads) {
  const GemmShape shapes[] = {{512, 96, 768, false, true},
                              {96, 160, 2048, true, false},
                              {16, 32, 4096, true, false},
                              {8, 300, 1024, false, true},
                              {300, 64, 1024, false, false}};
  const int before = omp_get_max_threads();
  for (const GemmShape& s : shapes) {
    for (const float beta : {0.0f, 1.0f}) {
      Problem one({s, 0, beta}), two({s, 0, beta});
      omp_set_num_threads(1);
      gemm(s, one.A.data(), one.lda, one.B.data(), one.ldb, beta, one.C.data(), one.ldc);
      omp_set_num_threads(2);
      gemm(s, two.A.data(), two.lda, two.B.data(), two.ldb, beta, two.C.data(), two.ldc);
      EXPECT_EQ(one.C, two.C) << describe({s, 0, beta});
    }
  }
  omp_set_num_threads(before);
}

struct StoredWeights {
  std::vector<float> f32;
  std::vector<double> f64;
  std::vector<uint16_t> half;
  const void* data(DType type) const {
    if (type == DType::kF64) return f64.data();
    return type == DType::kF32 ? static_cast<const void*>(f32.data()) : half.data();
  }
};

// f32 and f64 hold the values of the stored type exactly.
StoredWeights stored(int64_t n, DType type) {
  StoredWeights w;
  w.f32 = random_floats(n, 7);
  if (dtype_size(type) == 2) {
    w.half.resize(w.f32.size());
    convert(w.f32.data(), w.half.data(), n, type);
    convert(w.half.data(), w.f32.data(), n, type);
  }
  w.f64 = widen(w.f32);
  return w;
}

TEST(Linear, EveryStorageTypeAndRowCount) {
  for (const DType type : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64}) {
    for (const auto& [N, K] : {std::pair<int64_t, int64_t>{1, 1}, {5, 33}, {70, 129}, {300, 200}}) {
      const StoredWeights w = stored(N * K, type);
      for (const int64_t M : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20}) {
        const std::vector<float> x = random_floats(M * K, 8);
        std::vector<float> y(static_cast<size_t>(M * N), kNaN);
        std::vector<double> want(y.size());
        linear(M, N, K, widen(x).data(), w.data(type), type, want.data());
        linear(M, N, K, x.data(), w.data(type), type, y.data());
        expect_near(y, want, tolerance(K), std::string(dtype_name(type)) + " M=" + std::to_string(M));
        for (int64_t i = 0; i < M * N; ++i) {  // the double path against its definition
          double sum = 0.0;
          for (int64_t k = 0; k < K; ++k) {
            sum += double{x[static_cast<size_t>(i / N * K + k)]} * w.f64[static_cast<size_t>(i % N * K + k)];
          }
          ASSERT_NEAR(want[static_cast<size_t>(i)], sum, 1e-12);
        }
      }
    }
  }
}

TEST(Linear, DecodeIsTheSameForOneAndTwoThreads) {
  const int64_t N = 301, K = 257;
  const std::vector<float> W = random_floats(N * K, 1);
  const int before = omp_get_max_threads();
  for (int64_t M = 1; M < 8; ++M) {
    const std::vector<float> x = random_floats(M * K, 2);
    std::vector<float> one(static_cast<size_t>(M * N), kNaN), two = one;
    omp_set_num_threads(1);
    linear(M, N, K, x.data(), W.data(), DType::kF32, one.data());
    omp_set_num_threads(2);
    linear(M, N, K, x.data(), W.data(), DType::kF32, two.data());
    EXPECT_EQ(one, two) << M;
  }
  omp_set_num_threads(before);
}

TEST(Linear, WideWeightsInPanels) {
  const int64_t M = 8, N = 1500, K = 1024;  // more than one panel of widened rows
  const StoredWeights w = stored(N * K, DType::kBF16);
  const std::vector<float> x = random_floats(M * K, 8);
  std::vector<float> y(static_cast<size_t>(M * N), kNaN);
  std::vector<double> want(y.size());
  linear(M, N, K, widen(x).data(), w.data(DType::kBF16), DType::kBF16, want.data());
  linear(M, N, K, x.data(), w.data(DType::kBF16), DType::kBF16, y.data());
  expect_near(y, want, tolerance(K), "panels");
}

}  // namespace
}  // namespace hindscan::kernels
