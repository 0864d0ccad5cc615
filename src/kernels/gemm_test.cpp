#include "kernels/gemm.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/cpu.h"
#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "kernels/gemm_backend.h"

namespace hindscan::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<double> widen(const std::vector<float>& v) { return {v.begin(), v.end()}; }

struct Case {
  GemmShape s;
  int64_t pad;  // of every leading dimension
  float beta;
  Law law = Law::kNormal;
};

// Products of a [M, K] and b [K, N] in extended precision, and the sums of absolute values that errors are measured in.
struct Expected {
  std::vector<long double> values;  // [M, N]
  std::vector<double> sizes;
};

Expected product(int64_t M, int64_t N, int64_t K, const std::vector<float>& a, const std::vector<float>& b) {
  Expected out{std::vector<long double>(static_cast<size_t>(M * N)), std::vector<double>(static_cast<size_t>(M * N))};
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t k = 0; k < K; ++k) {
      const long double x = a[static_cast<size_t>(m * K + k)];
      for (int64_t n = 0; n < N; ++n) {
        const long double term = x * b[static_cast<size_t>(k * N + n)];
        out.values[static_cast<size_t>(m * N + n)] += term;
        out.sizes[static_cast<size_t>(m * N + n)] += static_cast<double>(std::abs(term));
      }
    }
  }
  return out;
}

std::vector<float> transposed(const std::vector<float>& x, int64_t rows, int64_t cols) {
  std::vector<float> out;
  for (int64_t c = 0; c < cols; ++c) {
    for (int64_t r = 0; r < rows; ++r) out.push_back(x[static_cast<size_t>(r * cols + c)]);
  }
  return out;
}

std::vector<float> rounded(const std::vector<float>& x, DType type) {
  std::vector<uint16_t> half(x.size());
  std::vector<float> out(x.size());
  convert(x.data(), half.data(), static_cast<int64_t>(x.size()), type);
  convert(half.data(), out.data(), static_cast<int64_t>(x.size()), type);
  return out;
}

// Rows of every matrix lie `pad` apart, with NaN between; C holds NaN where it is overwritten.
struct Problem {
  explicit Problem(const Case& c, bool bf16 = false) : shape(c.s), beta(c.beta) {
    const auto [M, N, K, trans_a, trans_b] = shape;
    a = draws(M * K, 1, c.law), b = draws(K * N, 2, c.law);
    if (bf16) a = rounded(a, DType::kBF16), b = rounded(b, DType::kBF16);
    c0 = beta == 0.0f ? not_a_number<float>(M * N) : draws(M * N, 3, c.law);
    lda = (trans_a ? M : K) + c.pad, ldb = (trans_b ? K : N) + c.pad, ldc = N + c.pad;
    A = trans_a ? strided(transposed(a, M, K), K, M, lda) : strided(a, M, K, lda);
    B = trans_b ? strided(transposed(b, K, N), N, K, ldb) : strided(b, K, N, ldb);
    C = strided(c0, M, N, ldc);
    // The same numbers in every layout: one reference.
    static std::map<std::tuple<int64_t, int64_t, int64_t, Law, bool>, Expected> known;
    Expected& sums = known[{M, N, K, c.law, bf16}];
    if (sums.values.empty()) sums = product(M, N, K, a, b);
    want = &sums;
  }
  template <class R>
  void expect(const std::vector<R>& got, const Tolerance& t, const std::string& what) const {
    std::vector<long double> values = want->values;
    std::vector<double> sizes = want->sizes;
    for (size_t i = 0; beta != 0.0f && i < c0.size(); ++i) values[i] += c0[i], sizes[i] += std::abs(double{c0[i]});
    EXPECT_TRUE(agree(packed(got, shape.M, shape.N, ldc), values, sizes, t)) << what;
    EXPECT_TRUE(gaps_kept(got, shape.M, shape.N, ldc)) << what;
  }
  GemmShape shape;
  float beta;
  int64_t lda, ldb, ldc;
  std::vector<float> a, b, c0;  // [M, K], [K, N], [M, N]
  std::vector<float> A, B, C;   // as the kernels get them
  const Expected* want;
};

std::string describe(const Case& c) {
  return "M=" + std::to_string(c.s.M) + " N=" + std::to_string(c.s.N) + " K=" + std::to_string(c.s.K) +
         (c.s.trans_a ? " At" : "") + (c.s.trans_b ? " Bt" : "") + " pad=" + std::to_string(c.pad) +
         " beta=" + std::to_string(c.beta) + " " + law_name(c.law);
}

Tolerance products(Law law) { return law == Law::kNormal ? tol::kF32Products : tol::kF32HeavyProducts; }

// Every option at every size; the laws take turns.
std::vector<Case> cases() {
  std::vector<Case> out;
  const std::vector<std::array<int64_t, 3>> sizes = {
      {1, 1, 1},    {1, 70, 33}, {2, 5, 1},     {3, 64, 17},   {5, 1, 40},     {6, 63, 9},     {7, 65, 31},
      {8, 128, 64}, {9, 7, 300}, {13, 33, 257}, {50, 129, 65}, {97, 260, 300}, {49, 300, 513}, {300, 65, 33}};
  for (const auto& [M, N, K] : sizes) {
    for (int flags = 0; flags < 16; ++flags) {
      out.push_back({{M, N, K, (flags & 1) != 0, (flags & 2) != 0},
                     (flags & 4) != 0 ? 5 : 0,
                     (flags & 8) != 0 ? 1.f : 0.f,
                     kLaws[out.size() % 3]});
    }
  }
  return out;
}

TEST(Gemm, FloatMatchesLongSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    gemm(c.s, p.A.data(), p.lda, p.B.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    p.expect(p.C, products(c.law), describe(c));
  }
}

TEST(Gemm, OwnKernelMatchesLongSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    gemm_own(c.s, p.A.data(), p.lda, p.B.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    p.expect(p.C, products(c.law), describe(c));
  }
}

TEST(Gemm, DoubleMatchesLongSums) {
  for (const Case& c : cases()) {
    Problem p(c);
    const std::vector<double> a = widen(p.A), b = widen(p.B);
    std::vector<double> got = widen(p.C);
    gemm(c.s, a.data(), p.lda, b.data(), p.ldb, double{c.beta}, got.data(), p.ldc);
    p.expect(got, tol::kF64Products, describe(c));
  }
}

TEST(Gemm, Bf16MatchesLongSumsOfRoundedInputs) {
  for (const Case& c : cases()) {
    Problem p(c, true);
    std::vector<uint16_t> a(p.A.size()), b(p.B.size());
    convert(p.A.data(), a.data(), static_cast<int64_t>(a.size()), DType::kBF16);
    convert(p.B.data(), b.data(), static_cast<int64_t>(b.size()), DType::kBF16);
    gemm_bf16(c.s, a.data(), p.lda, b.data(), p.ldb, c.beta, p.C.data(), p.ldc);
    p.expect(p.C, products(c.law), describe(c));
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
  std::vector<float> A = draws(M * K, 1), B = draws(N * K, 2), C(static_cast<size_t>(M * N), 0.0f);
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
StoredWeights stored(int64_t n, DType type, Law law) {
  StoredWeights w;
  w.f32 = draws(n, 7, law);
  if (dtype_size(type) == 2) {
    w.half.resize(w.f32.size());
    convert(w.f32.data(), w.half.data(), n, type);
    w.f32 = rounded(w.f32, type);
  }
  w.f64 = widen(w.f32);
  return w;
}

// y = x W^T in float and double against extended precision.
void expect_linear(int64_t M, int64_t N, int64_t K, DType type, Law law) {
  const StoredWeights w = stored(N * K, type, law);
  const std::vector<float> x = draws(M * K, 8, law);
  std::vector<float> y = not_a_number<float>(M * N);
  std::vector<double> wide = not_a_number<double>(M * N);
  linear(M, N, K, widen(x).data(), w.data(type), type, wide.data());
  linear(M, N, K, x.data(), w.data(type), type, y.data());
  const Expected want = product(M, N, K, x, transposed(w.f32, N, K));
  const std::string what = std::string(dtype_name(type)) + " M=" + std::to_string(M) + " " + law_name(law);
  EXPECT_TRUE(agree(y, want.values, want.sizes, products(law).or_empty())) << what;
  EXPECT_TRUE(agree(wide, want.values, want.sizes, tol::kF64Products.or_empty())) << what;
}

TEST(Linear, EveryStorageTypeAndRowCount) {  // 16 bits of f16 end before the tails of Cauchy do
  for (const DType type : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64}) {
    for (const auto& [N, K] : {std::pair<int64_t, int64_t>{1, 1}, {5, 33}, {70, 129}, {300, 200}}) {
      for (const int64_t M : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20})
        expect_linear(M, N, K, type, kLaws[(M + N) % (type == DType::kF16 ? 2 : 3)]);
    }
  }
}

TEST(Linear, DecodeIsTheSameForOneAndTwoThreads) {
  const int64_t N = 301, K = 257;
  const std::vector<float> W = draws(N * K, 1);
  const int before = omp_get_max_threads();
  for (int64_t M = 1; M < 8; ++M) {
    const std::vector<float> x = draws(M * K, 2);
    std::vector<float> one(static_cast<size_t>(M * N), kNaN), two = one;
    omp_set_num_threads(1);
    linear(M, N, K, x.data(), W.data(), DType::kF32, one.data());
    omp_set_num_threads(2);
    linear(M, N, K, x.data(), W.data(), DType::kF32, two.data());
    EXPECT_EQ(one, two) << M;
  }
  omp_set_num_threads(before);
}

TEST(Linear, WideWeightsInPanels) {  // more than one panel of widened rows
  expect_linear(8, 1500, 1024, DType::kBF16, Law::kNormal);
}

}  // namespace
}  // namespace hindscan::kernels
