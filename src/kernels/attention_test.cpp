// Attention: double against the definition, float against double on every instruction set.
#include "kernels/attention.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "base/testing/sensitivity.h"
#include "kernels/attention_test_support.h"

namespace hindscan::kernels {
namespace {

using namespace attention_test;  // NOLINT(google-build-using-namespace)
using glr::isa_test_name;

TEST(Attention, DoubleIsTheDefinition) {
  for (const AttentionDims& d : {kDims[0], kDims[2], kDims[4]}) {
    const Problem<double> p = problem<double>(d);
    const Outcome<double> r = run(p);
    for (int64_t t = 0; t < d.T; ++t) {
      for (int64_t h = 0; h < d.heads; ++h) {
        double sum = 0;
        std::vector<double> y(static_cast<size_t>(d.d_v), 0);
        for (int64_t j = 0; j <= d.past + t; ++j) {
          if (d.window > 0 && j <= d.past + t - d.window) continue;
          const double e = std::exp(score(p, h, t, j));
          sum += e;
          for (int64_t i = 0; i < d.d_v; ++i)
            y[static_cast<size_t>(i)] +=
                e * p.v[static_cast<size_t>((j * d.kv_heads + h * d.kv_heads / d.heads) * d.d_v + i)];
        }
        for (int64_t i = 0; i < d.d_v; ++i) {
          ASSERT_TRUE(
              agree(r.y[static_cast<size_t>((t * d.heads + h) * d.d_v + i)], y[static_cast<size_t>(i)] / sum, kDouble));
        }
        ASSERT_TRUE(agree(r.lse[static_cast<size_t>(t * d.heads + h)], std::log(sum), kDouble));
      }
    }
  }
}

using AttentionIsa = glr::ElementIsa;
HS_INSTANTIATE_ISAS(AttentionIsa);

TEST_P(AttentionIsa, FloatFollowsDouble) {
  for (const AttentionDims& d : kDims) {
    SCOPED_TRACE(testing::Message() << "T " << d.T << " past " << d.past);
    const Outcome<float> a = run(problem<float>(d));
    const Outcome<double> b = run(problem<double>(d));
    EXPECT_TRUE(agree(a.y, b.y, tol::kF32Forward));
    EXPECT_TRUE(agree(a.lse, b.lse, tol::kF32Forward));
    EXPECT_TRUE(agree(a.dq, b.dq, tol::kF32Forward.times(2)));
    EXPECT_TRUE(agree(a.dk, b.dk, tol::kF32Forward.times(2)));
    EXPECT_TRUE(agree(a.dv, b.dv, tol::kF32Forward));
    EXPECT_TRUE(agree(a.dv_alone, b.dv, tol::kF32Forward));
  }
}

// Scores of hundreds: only differences from the maximum are exponentiated.
TEST_P(AttentionIsa, LargeScoresStayFinite) {
  const AttentionDims d{70, 10, 2, 1, 8, 4, 0, 1, 0};
  const Outcome<float> a = run(problem<float>(d, 15));
  const Outcome<double> b = run(problem<double>(d, 15));
  EXPECT_TRUE(agree(a.y, b.y, tol::kF32Forward.times(100)));
  for (float g : a.dq) ASSERT_TRUE(std::isfinite(g));
}

// Sums of absolute values behind dq and dk: p (dy v - dy y) k is a difference of large numbers where one key takes all.
Arrays gradient_terms(const Problem<double>& p, const std::vector<double>& lse) {
  const AttentionDims& d = p.dims;
  Arrays out = {{}, {}, std::vector<double>(p.q.size(), 0.0), std::vector<double>(p.k.size(), 0.0), {}};
  for (int64_t row = 0; row < d.T * d.heads; ++row) {
    const int64_t t = row / d.heads, h = row % d.heads, key_head = h * d.kv_heads / d.heads;
    std::vector<double> weight(static_cast<size_t>(d.keys()), 0.0), product(weight.size(), 0.0);
    double all = 0;
    for (int64_t j = d.first_key(t); j <= d.past + t; ++j) {
      double& dp = product[static_cast<size_t>(j)];
      for (int64_t e = 0; e < d.d_v; ++e)
        dp += std::abs(p.dy[static_cast<size_t>(row * d.d_v + e)] *
                       p.v[static_cast<size_t>((j * d.kv_heads + key_head) * d.d_v + e)]);
      weight[static_cast<size_t>(j)] = std::exp(score(p, h, t, j) - lse[static_cast<size_t>(row)]);
      all += weight[static_cast<size_t>(j)] * dp;
    }
    for (int64_t j = d.first_key(t); j <= d.past + t; ++j) {
      const double size = d.scale * weight[static_cast<size_t>(j)] * (product[static_cast<size_t>(j)] + all);
      for (int64_t i = 0; i < d.d; ++i) {
        const auto q = static_cast<size_t>(row * d.d + i),
                   k = static_cast<size_t>((j * d.kv_heads + key_head) * d.d + i);
        out[2][q] += size * std::abs(p.k[k]);
        out[3][k] += size * std::abs(p.q[q]);
      }
    }
  }
  return out;
}

// Outliers in queries, keys and values: softmax rows that one key takes, values of all sizes.
TEST_P(AttentionIsa, FloatFollowsDoubleOnHeavyTails) {
  for (const Law law : {Law::kLognormal, Law::kCauchy}) {
    for (const AttentionDims& d : {kDims[2], kDims[4], kDims[6]}) {
      SCOPED_TRACE(testing::Message() << "T " << d.T << " " << law_name(law));
      const Problem<double> p = problem<double>(d, 1, law);
      const auto in_double = [&](const Arrays& in) {
        const Outcome<double> r = run(Problem<double>{d, in[0], in[1], in[2], in[3]});
        return Arrays{r.y, r.lse, r.dq, r.dk, r.dv};
      };
      const Arrays inputs = {p.q, p.k, p.v, p.dy}, want = in_double(inputs), terms = gradient_terms(p, want[1]);
      Arrays worth = sensitivity(inputs, in_double);
      for (size_t i = 0; i < worth.size(); ++i) {
        for (size_t k = 0; k < terms[i].size(); ++k) worth[i][k] += terms[i][k];
      }
      const Outcome<float> r = run(problem<float>(d, 1, law));
      const std::vector<float>* got[] = {&r.y, &r.lse, &r.dq, &r.dk, &r.dv};
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_TRUE(agree(*got[i], want[i], worth[i], tol::kF32HeavyOp)) << "output " << i;
    }
  }
}

TEST(Attention, ThreadsDoNotChangeTheResult) {
  const AttentionDims d{300, 40, 4, 2, 16, 16, 0, 0.3, 0};
  const Problem<float> p = problem<float>(d);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const Outcome<float> one = run(p);
  omp_set_num_threads(5);
  const Outcome<float> five = run(p);
  omp_set_num_threads(before);
  EXPECT_EQ(one.y, five.y);
  EXPECT_EQ(one.dq, five.dq);
  EXPECT_EQ(one.dk, five.dk);
  EXPECT_EQ(one.dv, five.dv);
}

TEST(Attention, NothingToDo) {
  const AttentionDims d{0, 5, 2, 1, 4, 4, 0, 1, 0};
  const Outcome<float> r = run(problem<float>(d));
  for (float g : r.dv) EXPECT_EQ(g, 3.0f);
}

// A later token does not reach an earlier one, however large.
TEST_P(AttentionIsa, TheFutureIsUnseen) {
  const AttentionDims d{100, 0, 2, 1, 8, 8, 0, 0.3, 0};
  Problem<float> p = problem<float>(d);
  const Outcome<float> clean = run(p);
  const int64_t from = 90;
  std::fill(p.k.begin() + from * d.d, p.k.end(), 1e20f);
  std::fill(p.v.begin() + from * d.d_v, p.v.end(), 1e30f);
  std::vector<float> y = not_a_number<float>(d.T * d.heads * d.d_v);
  attention_forward(d, p.in(), y.data(), nullptr);
  for (size_t i = 0; i < static_cast<size_t>(from * d.heads * d.d_v); ++i) ASSERT_EQ(y[i], clean.y[i]) << i;
}

}  // namespace
}  // namespace hindscan::kernels
