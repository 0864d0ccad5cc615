// Block sums, their bounds for |.| and (.)+, and the residual of a forward pass, against brute force.
#include <omp.h>

#include "kernels/glr/element_test_support.h"
#include "kernels/glr/extended.h"

namespace hindscan::kernels::glr {
namespace {

enum class Part { kSigned, kAbsolute, kPositive };

// Channel mean (channel < 0) or one channel, summed over blocks from the formula.
template <class R>
std::vector<double> brute_force(const Problem<R>& p, int64_t channel, const std::vector<int64_t>& edges, Part part) {
  const size_t blocks = edges.size() - 1;
  std::vector<double> out(blocks * blocks, 0.0);  // [blocks, blocks]
  for (int64_t d = channel < 0 ? 0 : channel; d < (channel < 0 ? p.dims.D : channel + 1); ++d) {
    for (size_t r = 0; r < blocks; ++r) {
      for (size_t q = 0; q <= r; ++q) {
        for (int64_t i = edges[r]; i < edges[r + 1]; ++i) {
          for (int64_t j = edges[q]; j < edges[q + 1]; ++j) {
            const double a = alpha(p, d, i, j);
            const double v = part == Part::kSigned ? a : part == Part::kAbsolute ? std::abs(a) : std::max(a, 0.0);
            out[r * blocks + q] += channel < 0 ? v / static_cast<double>(p.dims.D) : v;
          }
        }
      }
    }
  }
  return out;
}

const std::vector<std::vector<int64_t>> kEdges[] = {
    {{0, 1}},
    {{0, 2}, {0, 1, 2}},
    {{0, 5, 11, 17}, {0, 0, 16, 17, 17}},
    {{0, 16, 32, 48, 63}},
    {{0, 100, 101, 200, 256}},
};
constexpr int64_t kLengths[] = {1, 2, 17, 63, 256};

template <class R>
void check_sums(const Tolerance& bar) {
  for (size_t k = 0; k < 5; ++k) {
    const Problem<R> p = random_problem(kLengths[k], k == 2 ? 18 : 3, k == 3 ? 17 : 4).template as<R>();
    for (const std::vector<int64_t>& edges : kEdges[k]) {
      const int64_t blocks = static_cast<int64_t>(edges.size()) - 1;
      for (int64_t channel : {int64_t{-1}, int64_t{1}}) {
        std::vector<R> out = poisoned<R>(blocks * blocks);
        element_block_sums(p.dims, p.coeffs(), channel, edges.data(), blocks, out.data());
        EXPECT_TRUE(agree(out, brute_force(p, channel, edges, Part::kSigned), bar)) << "T " << p.dims.T;
      }
    }
  }
}

template <class R>
void check_bounds() {
  for (size_t k = 0; k < 5; ++k) {
    const Problem<R> p = random_problem(kLengths[k], k == 2 ? 18 : 3, 4).template as<R>();
    for (const std::vector<int64_t>& edges : kEdges[k]) {
      const int64_t blocks = static_cast<int64_t>(edges.size()) - 1;
      for (const auto& [map, part] :
           {std::pair{ElementMap::kMeanAbs, Part::kAbsolute}, std::pair{ElementMap::kMeanPositive, Part::kPositive}}) {
        std::vector<R> lower = poisoned<R>(blocks * blocks), upper = lower;
        element_block_bounds(p.dims, p.coeffs(), map, edges.data(), blocks, lower.data(), upper.data());
        const std::vector<double> exact = brute_force(p, -1, edges, part);
        double sum_exact = 0, sum_upper = 0;
        for (size_t i = 0; i < exact.size(); ++i) {
          EXPECT_LE(static_cast<double>(lower[i]), exact[i]);
          EXPECT_GE(static_cast<double>(upper[i]), exact[i]);
          EXPECT_GE(lower[i], 0);
          sum_exact += exact[i], sum_upper += static_cast<double>(upper[i]);
        }
        if (p.dims.T > 2) {
          EXPECT_LT(sum_upper, 6 * sum_exact) << "a bound this loose says nothing";
        }
      }
    }
  }
}

// One state: alpha has one sign per (B, C), so with positive B and C both bounds are the sum itself.
template <class R>
void check_tight_bounds(const Tolerance& bar) {
  Problem<R> p = random_problem(40, 5, 1).template as<R>();
  for (auto* v : {&p.B, &p.C}) {
    for (R& x : *v) x = std::abs(x);
  }
  const std::vector<int64_t> edges = {0, 10, 25, 40};
  std::vector<R> lower = poisoned<R>(9), upper = lower, sums = lower;
  element_block_sums(p.dims, p.coeffs(), -1, edges.data(), 3, sums.data());
  for (ElementMap map : {ElementMap::kMeanAbs, ElementMap::kMeanPositive}) {
    element_block_bounds(p.dims, p.coeffs(), map, edges.data(), 3, lower.data(), upper.data());
    EXPECT_TRUE(agree(lower, sums, bar));
    EXPECT_TRUE(agree(upper, sums, bar));
  }
}

TEST(ElementBlocks, ReferenceEqualsBruteForce) {
  check_sums<double>(tol::kF64Recurrence);
  check_bounds<double>();
  check_tight_bounds<double>(tol::kF64Recurrence.times(10));
}

class ElementBlocksIsa : public ElementIsa {};

TEST_P(ElementBlocksIsa, SumsEqualBruteForce) { check_sums<float>(tol::kF32Recurrence); }

TEST_P(ElementBlocksIsa, BoundsHoldTheTruth) { check_bounds<float>(); }

TEST_P(ElementBlocksIsa, BoundsAreTightForOneSign) { check_tight_bounds<float>(tol::kF32Recurrence.times(3)); }

TEST_P(ElementBlocksIsa, AnyNumberOfThreadsGivesTheSameBits) {
  const Problem<float> p = random_problem(200, 150, 16);
  const std::vector<int64_t> edges = {0, 64, 128, 200};
  const int before = omp_get_max_threads();
  const auto run = [&](int threads) {
    omp_set_num_threads(threads);
    std::vector<float> out = poisoned<float>(9);
    element_block_sums(p.dims, p.coeffs(), -1, edges.data(), 3, out.data());
    std::vector<double> residual = poisoned<double>(200);
    element_forward_residual(p.dims, p.coeffs(), p.x.data(), nullptr, p.x.data(), residual.data());
    out.insert(out.end(), residual.begin(), residual.end());
    return out;
  };
  EXPECT_EQ(run(1), run(2));
  omp_set_num_threads(before);
}

double relative_residual(const std::vector<float>& y, const std::vector<double>& expected, int64_t t, int64_t D) {
  double diff = 0, norm = 0;
  for (int64_t d = 0; d < D; ++d) {
    const size_t at = static_cast<size_t>(t * D + d);
    diff += (static_cast<double>(y[at]) - expected[at]) * (static_cast<double>(y[at]) - expected[at]);
    norm += expected[at] * expected[at];
  }
  return std::sqrt(diff / norm);
}

// ||y_t - expected_t|| / ||expected_t|| of every token.
std::vector<double> relative_residuals(const std::vector<float>& y, const std::vector<double>& expected, int64_t T) {
  const int64_t D = static_cast<int64_t>(y.size()) / T;
  std::vector<double> out;
  for (int64_t t = 0; t < T; ++t) out.push_back(relative_residual(y, expected, t, D));
  return out;
}

// The outputs it is measured against are sums over alpha: no recurrence, and none of its code.
TEST_P(ElementBlocksIsa, ResidualIsThatOfTheUnrolledSums) {
  for (const auto& [T, D, N] : {std::array<int64_t, 3>{1, 1, 1}, {130, 19, 17}, {70, 8, 16}}) {
    const Problem<float> p = random_problem(T, D, N);
    Problem<double> q = p.as<double>();
    const std::vector<double> expected = attended(q);
    std::vector<double> S = q.S, residual = poisoned<double>(T);
    std::vector<float> y = p.x;  // nothing like the right answer
    element_forward_residual(p.dims, p.coeffs(), p.x.data(), S.data(), y.data(), residual.data());
    EXPECT_TRUE(agree(residual, relative_residuals(y, expected, T), tol::kF64Residual));
    EXPECT_TRUE(agree(S, last_state(q), tol::kF64Recurrence)) << "the state is advanced";
    std::vector<float> state = p.S;
    element_forward(p.dims, p.coeffs(), p.x.data(), state.data(), y.data());
    S = q.S;
    element_forward_residual(p.dims, p.coeffs(), p.x.data(), S.data(), y.data(), residual.data());
    EXPECT_TRUE(agree(residual, relative_residuals(y, expected, T), tol::kF64Absolute));
    EXPECT_LE(largest(residual), 1e-5);
    EXPECT_GT(largest(residual), 0);
  }
}

// A double pass is measured by other code in wider arithmetic: right to rounding, but not equal to the last bit.
TEST(ElementExtended, IsTheUnrolledSumsAndNoCopyOfTheReference) {
  const Problem<double> p = random_problem(130, 19, 17).as<double>();
  std::vector<double> S = p.S, y = poisoned<double>(130 * 19), plain_S = p.S, plain = y;
  element_forward_extended(p.dims, p.coeffs(), p.x.data(), S.data(), y.data());
  EXPECT_TRUE(agree(y, attended(p), tol::kF64Recurrence));
  EXPECT_TRUE(agree(S, last_state(p), tol::kF64Recurrence));
  element_forward(p.dims, p.coeffs(), p.x.data(), plain_S.data(), plain.data());
  EXPECT_TRUE(agree(plain, y, tol::kF64Regrouped.times(10)));
  EXPECT_FALSE(agree(plain, y, tol::kEqual));
}

TEST_P(ElementBlocksIsa, ResidualSeesOneWrongValueAndNan) {
  const Problem<float> p = random_problem(30, 9, 4);
  std::vector<float> S(p.S.size(), 0.0f), y = p.x;
  std::vector<double> residual = poisoned<double>(30);
  element_forward(p.dims, p.coeffs(), p.x.data(), S.data(), y.data());
  y[12 * 9 + 4] += 1.0f;
  y[20 * 9 + 1] = std::numeric_limits<float>::quiet_NaN();
  element_forward_residual(p.dims, p.coeffs(), p.x.data(), nullptr, y.data(), residual.data());
  for (size_t t = 0; t < 30; ++t) {
    if (t == 20) {
      EXPECT_TRUE(std::isnan(residual[t]));
    } else {
      EXPECT_EQ(residual[t] > 1e-3, t == 12) << t;
    }
  }
}

HS_INSTANTIATE_ISAS(ElementBlocksIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
