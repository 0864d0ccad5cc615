// Maps of attention are its weights: rows, row products, tiles with gates and slopes, block sums.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/attention_test_support.h"

namespace hindscan::kernels {
namespace {

using namespace attention_test;  // NOLINT(google-build-using-namespace)

// A problem and the weights that its pass left.
template <class R>
struct Weighed {
  explicit Weighed(const AttentionDims& dims) : d(dims), p(problem<R>(dims)), r(run(p)) {}
  double weight(int64_t h, int64_t t, int64_t j) const {
    if (j > d.past + t || (d.window > 0 && j <= d.past + t - d.window)) return 0.0;
    return std::exp(static_cast<double>(score(p, h, t, j)) -
                    static_cast<double>(r.lse[static_cast<size_t>(t * d.heads + h)]));
  }
  AttentionDims d;
  Problem<R> p;
  Outcome<R> r;
};

template <class R>
std::vector<R> waves(const AttentionDims& d) {
  std::vector<R> w(static_cast<size_t>(d.T * d.heads));
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<R>(std::sin(static_cast<double>(i)));
  return w;
}

template <class R>
void check_rows(const Weighed<R>& a, const Tolerance& bar) {
  const AttentionDims& d = a.d;
  const int64_t n = d.keys(), last = d.T - 1;
  std::vector<R> row = not_a_number<R>(n);
  attention_row(d, a.p.in(), a.r.lse.data(), -1, last, row.data());
  for (int64_t j = 0; j < n; ++j) {
    double mean = 0;
    for (int64_t h = 0; h < d.heads; ++h) mean += a.weight(h, last, j) / static_cast<double>(d.heads);
    ASSERT_TRUE(agree(row[static_cast<size_t>(j)], mean, bar));
  }
  const std::vector<R> w = waves<R>(d);
  std::vector<R> products = not_a_number<R>(n * d.heads);
  attention_row_times(d, a.p.in(), a.r.lse.data(), w.data(), products.data());
  for (int64_t j = 0; j < n; j += 7) {
    for (int64_t h = 0; h < d.heads; ++h) {
      double sum = 0;
      for (int64_t t = 0; t < d.T; ++t)
        sum += static_cast<double>(w[static_cast<size_t>(t * d.heads + h)]) * a.weight(h, t, j);
      ASSERT_TRUE(agree(products[static_cast<size_t>(j * d.heads + h)], sum, bar.times(30)));
    }
  }
}

template <class R>
void check_tiles(const Weighed<R>& a, const Tolerance& bar) {
  const AttentionDims& d = a.d;
  const int64_t n = d.keys();
  const glr::TileRange I{d.T / 3, d.T}, J{n / 4, n};
  std::vector<R> tile = not_a_number<R>((I.end - I.begin) * (J.end - J.begin)), gate = waves<R>(d), slope;
  for (int64_t i = 0; i < n * d.heads; ++i) slope.push_back(static_cast<R>(-2 + std::cos(static_cast<double>(i))));
  using glr::HeadMap;
  for (const HeadMap map : {HeadMap::kMean, HeadMap::kMeanAbs, HeadMap::kMeanPositive, HeadMap::kOne}) {
    attention_tile(d, a.p.in(), a.r.lse.data(), map, d.heads - 1, I, J, {gate.data(), slope.data()}, tile.data());
    for (int64_t t = I.begin; t < I.end; t += 3) {
      for (int64_t j = J.begin; j < J.end; j += 5) {
        double sum = 0;
        for (int64_t h = 0; h < d.heads; ++h) {
          const double x = static_cast<double>(slope[static_cast<size_t>(j * d.heads + h)]) *
                           static_cast<double>(gate[static_cast<size_t>(t * d.heads + h)]) * a.weight(h, t, j);
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
}

template <class R>
void check_block_sums(const Weighed<R>& a, const Tolerance& bar) {
  const AttentionDims& d = a.d;
  const int64_t n = d.keys();
  const std::vector<int64_t> rows = {0, d.T / 2, d.T}, columns = {0, n / 3, n / 3, n};
  std::vector<R> sums = not_a_number<R>(6);
  attention_block_sums(d, a.p.in(), a.r.lse.data(), -1, rows.data(), 2, columns.data(), 3, sums.data());
  for (size_t i = 0; i < 2; ++i) {
    for (size_t k = 0; k < 3; ++k) {
      double sum = 0;
      for (int64_t t = rows[i]; t < rows[i + 1]; ++t) {
        for (int64_t j = columns[k]; j < columns[k + 1]; ++j) {
          for (int64_t h = 0; h < d.heads; ++h) sum += a.weight(h, t, j) / static_cast<double>(d.heads);
        }
      }
      ASSERT_TRUE(agree(sums[i * 3 + k], sum, bar.times(100)));
    }
  }
}

template <class R>
void check_maps(const AttentionDims& d, const Tolerance& bar) {
  const Weighed<R> a(d);
  check_rows(a, bar);
  check_tiles(a, bar);
  check_block_sums(a, bar);
}

TEST(Attention, MapsAreTheWeights) {
  for (const AttentionDims& d : {kDims[0], kDims[2], kDims[4], AttentionDims{70, 20, 2, 1, 6, 3, 33, 0.4, 0}}) {
    check_maps<double>(d, kDouble);
    check_maps<float>(d, tol::kF32Weight);
  }
}

}  // namespace
}  // namespace hindscan::kernels
