// Attention: double against the definition, float against double on every instruction set.
#include "kernels/attention.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"
#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels {
namespace {

using glr::isa_test_name;

template <class R>
struct Problem {
  AttentionDims dims;
  std::vector<R> q, k, v, dy;
  AttentionInputs<R> in() const { return {q.data(), k.data(), v.data()}; }
};

template <class R>
std::vector<R> poisoned(int64_t n) {
  return not_a_number<R>(n);
}

template <class R>
Problem<R> problem(const AttentionDims& dims, double size = 1, Law law = Law::kNormal) {
  Rng rng(5);
  const auto draw = [&](int64_t n) {
    std::vector<R> out(static_cast<size_t>(n));
    for (R& x : out) x = static_cast<R>(static_cast<float>(size * tailed(rng.normal(), law)));
    return out;
  };
  Problem<R> p{dims, {}, {}, {}, {}};
  p.q = draw(dims.T * dims.heads * dims.d);
  p.k = draw(dims.keys() * dims.kv_heads * dims.d);
  p.v = draw(dims.keys() * dims.kv_heads * dims.d_v);
  p.dy = draw(dims.T * dims.heads * dims.d_v);
  return p;
}

template <class R>
struct Outcome {
  std::vector<R> y, lse, dq, dk, dv, dv_alone;
};

template <class R>
Outcome<R> run(const Problem<R>& p) {
  const AttentionDims& d = p.dims;
  Outcome<R> r{poisoned<R>(d.T * d.heads * d.d_v), poisoned<R>(d.T * d.heads),       std::vector<R>(p.q.size(), R(1)),
               std::vector<R>(p.k.size(), R(2)),   std::vector<R>(p.v.size(), R(3)), std::vector<R>(p.v.size(), R(3))};
  attention_forward(d, p.in(), r.y.data(), r.lse.data());
  attention_backward(d, p.in(), r.y.data(), r.lse.data(), p.dy.data(), {r.dq.data(), r.dk.data(), r.dv.data()});
  attention_backward(d, p.in(), r.y.data(), r.lse.data(), p.dy.data(), {nullptr, nullptr, r.dv_alone.data()});
  return r;
}

// T, past, heads, kv_heads, d, d_v, window, scale, soft_cap
const AttentionDims kDims[] = {
    {1, 0, 2, 1, 5, 3, 0, 0.4, 0},      {1, 300, 4, 2, 16, 16, 0, 0.25, 0},   {3, 130, 2, 2, 7, 9, 20, 0.4, 0},
    {64, 0, 1, 1, 32, 32, 0, 0.2, 0},   {65, 1, 4, 2, 8, 12, 0, 0.3, 2.5},    {200, 77, 3, 1, 10, 6, 50, 0.3, 0},
    {129, 260, 2, 1, 16, 4, 1, 0.3, 0}, {150, 0, 2, 2, 20, 17, 130, 0.2, 30},
};

template <class R>
R score(const Problem<R>& p, int64_t h, int64_t t, int64_t j) {
  const AttentionDims& d = p.dims;
  R x = 0;
  for (int64_t i = 0; i < d.d; ++i) {
    x += p.q[static_cast<size_t>((t * d.heads + h) * d.d + i)] *
         p.k[static_cast<size_t>((j * d.kv_heads + h * d.kv_heads / d.heads) * d.d + i)];
  }
  x *= d.scale;
  return d.soft_cap > 0 ? d.soft_cap * std::tanh(x / d.soft_cap) : x;
}

constexpr Tolerance kDouble = tol::kF64Absolute.times(0.1);

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

template <class R>
void check_maps(const AttentionDims& d, const Tolerance& bar) {
  const Problem<R> p = problem<R>(d);
  const Outcome<R> r = run(p);
  const auto weight = [&](int64_t h, int64_t t, int64_t j) {
    if (j > d.past + t || (d.window > 0 && j <= d.past + t - d.window)) return 0.0;
    return std::exp(static_cast<double>(score(p, h, t, j)) -
                    static_cast<double>(r.lse[static_cast<size_t>(t * d.heads + h)]));
  };
  const int64_t n = d.keys(), last = d.T - 1;
  std::vector<R> row = poisoned<R>(n);
  attention_row(d, p.in(), r.lse.data(), -1, last, row.data());
  for (int64_t j = 0; j < n; ++j) {
    double mean = 0;
    for (int64_t h = 0; h < d.heads; ++h) mean += weight(h, last, j) / static_cast<double>(d.heads);
    ASSERT_TRUE(agree(row[static_cast<size_t>(j)], mean, bar));
  }
  std::vector<R> w(static_cast<size_t>(d.T * d.heads)), products = poisoned<R>(n * d.heads);
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<R>(std::sin(static_cast<double>(i)));
  attention_row_times(d, p.in(), r.lse.data(), w.data(), products.data());
  for (int64_t j = 0; j < n; j += 7) {
    for (int64_t h = 0; h < d.heads; ++h) {
      double sum = 0;
      for (int64_t t = 0; t < d.T; ++t)
        sum += static_cast<double>(w[static_cast<size_t>(t * d.heads + h)]) * weight(h, t, j);
      ASSERT_TRUE(agree(products[static_cast<size_t>(j * d.heads + h)], sum, bar.times(30)));
    }
  }
  const glr::TileRange I{d.T / 3, d.T}, J{n / 4, n};
  std::vector<R> tile = poisoned<R>((I.end - I.begin) * (J.end - J.begin)), gate(w), slope;
  for (int64_t i = 0; i < n * d.heads; ++i) slope.push_back(static_cast<R>(-2 + std::cos(static_cast<double>(i))));
  using glr::HeadMap;
  for (const HeadMap map : {HeadMap::kMean, HeadMap::kMeanAbs, HeadMap::kMeanPositive, HeadMap::kOne}) {
    attention_tile(d, p.in(), r.lse.data(), map, d.heads - 1, I, J, {gate.data(), slope.data()}, tile.data());
    for (int64_t t = I.begin; t < I.end; t += 3) {
      for (int64_t j = J.begin; j < J.end; j += 5) {
        double sum = 0;
        for (int64_t h = 0; h < d.heads; ++h) {
          const double x = static_cast<double>(slope[static_cast<size_t>(j * d.heads + h)]) *
                           static_cast<double>(gate[static_cast<size_t>(t * d.heads + h)]) * weight(h, t, j);
          if (map == HeadMap::kOne && h == d.heads - 1)
            sum = x * static_cast<double>(d.heads);
          else if (map == HeadMap::kMean)
            sum += x;
          else if (map == HeadMap::kMeanAbs)
            sum += std::abs(x);
          else if (map == HeadMap::kMeanPositive)
            sum += std::max(x, 0.0);
        }
        const R found = tile[static_cast<size_t>((t - I.begin) * (J.end - J.begin) + j - J.begin)];
        ASSERT_TRUE(agree(found, sum / static_cast<double>(d.heads), bar.times(2)));
      }
    }
  }
  const std::vector<int64_t> rows = {0, d.T / 2, d.T}, columns = {0, n / 3, n / 3, n};
  std::vector<R> sums = poisoned<R>(6);
  attention_block_sums(d, p.in(), r.lse.data(), -1, rows.data(), 2, columns.data(), 3, sums.data());
  for (size_t a = 0; a < 2; ++a) {
    for (size_t b = 0; b < 3; ++b) {
      double sum = 0;
      for (int64_t t = rows[a]; t < rows[a + 1]; ++t) {
        for (int64_t j = columns[b]; j < columns[b + 1]; ++j) {
          for (int64_t h = 0; h < d.heads; ++h) sum += weight(h, t, j) / static_cast<double>(d.heads);
        }
      }
      ASSERT_TRUE(agree(sums[a * 3 + b], sum, bar.times(100)));
    }
  }
}

TEST(Attention, MapsAreTheWeights) {
  for (const AttentionDims& d : {kDims[0], kDims[2], kDims[4], AttentionDims{70, 20, 2, 1, 6, 3, 33, 0.4, 0}}) {
    check_maps<double>(d, kDouble);
    check_maps<float>(d, tol::kF32Weight);
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
  std::vector<float> y = poisoned<float>(d.T * d.heads * d.d_v);
  attention_forward(d, p.in(), y.data(), nullptr);
  for (size_t i = 0; i < static_cast<size_t>(from * d.heads * d.d_v); ++i) ASSERT_EQ(y[i], clean.y[i]) << i;
}

}  // namespace
}  // namespace hindscan::kernels
