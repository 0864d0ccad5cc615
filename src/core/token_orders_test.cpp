// Token orders are permutations with the neighbourhoods they promise, and gathering by them can be undone.
#include "core/token_orders.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/ops/embedding.h"
#include "core/ops/order.h"

namespace hindscan {
namespace {

struct Named {
  std::string name;
  TokenOrder order;
};

std::vector<Named> permutations(const Grid& g) {
  std::vector<Named> out = {{"rows", row_major_order(g)},
                            {"columns", column_major_order(g)},
                            {"snake", snake_order(g)},
                            {"hilbert", hilbert_order(g)},
                            {"temporal", temporal_order(g)},
                            {"strided", strided_order(g, 2, true)},
                            {"windows", windowed_order(g, 3, 2, true)},
                            {"window columns", windowed_order(g, 2, 3, false, true)}};
  const size_t n = out.size();
  for (size_t i = 0; i < n; ++i) out.push_back({out[i].name + " reversed", reversed_order(out[i].order)});
  for (const TokenOrder& o : cross_scan_orders(g)) out.push_back({"cross scan", o});
  return out;
}

const std::vector<Grid> kGrids = {{4, 4, 1}, {5, 7, 1}, {1, 1, 1}, {3, 2, 4}, {8, 8, 2}, {1, 6, 3}, {0, 3, 1}};

TEST(TokenOrders, EveryTokenOnce) {
  for (const Grid& g : kGrids) {
    for (const Named& n : permutations(g)) {
      ASSERT_EQ(static_cast<int64_t>(n.order.index.size()), g.size()) << n.name;
      const TokenOrder back = inverse_order(n.order);  // throws unless a permutation
      for (size_t i = 0; i < back.index.size(); ++i) {
        EXPECT_EQ(n.order.index[static_cast<size_t>(back.index[i])], static_cast<int64_t>(i)) << n.name;
      }
      EXPECT_TRUE(n.order.resets.empty() || n.order.resets.size() == n.order.index.size()) << n.name;
    }
  }
}

int64_t distance(const Grid& g, int64_t a, int64_t b) {
  return std::abs(a % g.width - b % g.width) + std::abs(a / g.width % g.height - b / g.width % g.height) +
         std::abs(a / (g.width * g.height) - b / (g.width * g.height));
}

TEST(TokenOrders, HilbertAndSnakeStepToNeighbours) {
  for (const Grid& g : {Grid{4, 4, 1}, Grid{16, 16, 1}, Grid{8, 8, 3}, Grid{2, 2, 2}}) {
    for (const TokenOrder& o : {hilbert_order(g), snake_order(g)}) {
      for (size_t i = 1; i < o.index.size(); ++i) EXPECT_EQ(distance(g, o.index[i - 1], o.index[i]), 1) << i;
    }
  }
  const Grid odd{5, 3, 3};
  const TokenOrder snake = snake_order(odd);
  for (size_t i = 1; i < snake.index.size(); ++i) EXPECT_EQ(distance(odd, snake.index[i - 1], snake.index[i]), 1) << i;
}

TEST(TokenOrders, KnownSmallOrders) {
  const Grid g{2, 3, 1};
  EXPECT_EQ(column_major_order(g).index, (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(snake_order(g).index, (std::vector<int64_t>{0, 1, 2, 5, 4, 3}));
  EXPECT_EQ(cross_scan_orders(g)[3].index, (std::vector<int64_t>{5, 2, 4, 1, 3, 0}));
  EXPECT_EQ(strided_order(g, 2, true).index, (std::vector<int64_t>{0, 2, 1, 3, 5, 4}));
  EXPECT_EQ(strided_order(g, 2, true).resets, (std::vector<uint8_t>{1, 0, 1, 1, 0, 1}));
  EXPECT_EQ(windowed_order(g, 2, 2, true).index, (std::vector<int64_t>{0, 1, 3, 4, 2, 5}));
  EXPECT_EQ(windowed_order(g, 2, 2, true).resets, (std::vector<uint8_t>{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(subsampled_order({3, 3, 1}, 2).index, (std::vector<int64_t>{0, 2, 6, 8}));
  EXPECT_EQ(hilbert_order({2, 2, 1}).index, (std::vector<int64_t>{0, 2, 3, 1}));
}

TEST(TokenOrders, ReversingKeepsTheRuns) {
  const TokenOrder o = windowed_order({2, 3, 1}, 2, 2, true), back = reversed_order(o);  // runs of 4 and 2 tokens
  EXPECT_EQ(back.resets, (std::vector<uint8_t>{1, 0, 1, 0, 0, 0}));
  EXPECT_EQ(reversed_order(back).resets, o.resets);
}

TEST(TokenOrders, NonPermutationsAndBadSizesAreErrors) {
  EXPECT_THROW(inverse_order({{0, 0}, {}}), Error);
  EXPECT_THROW(inverse_order({{0, 2}, {}}), Error);
  EXPECT_THROW(strided_order({2, 2, 1}, 0, false), Error);
  EXPECT_THROW(windowed_order({2, 2, 1}, 0, 1, false), Error);
  EXPECT_THROW(row_major_order({-1, 2, 1}), Error);
}

TEST(TokenOrders, GatherAndScatterUndoEachOther) {
  const Grid g{3, 5, 1};
  const int64_t T = 2 * g.size();
  std::vector<float> x(static_cast<size_t>(T * 2));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  Input in;
  in.features = x;
  in.feature_dim = 2;
  in.cu_seqlens = {0, g.size(), T};
  for (const Named& n : permutations(g)) {
    Ctx c(in, {});
    const Var f = ops::features(c);
    const Var there = ops::gather_tokens(c, f, n.order);
    const Var back = ops::scatter_add_tokens(c, there, n.order, f);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(c.data<float>(back)[i], x[i]) << n.name;
    const Var inverse = ops::gather_tokens(c, there, inverse_order(n.order));
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(c.data<float>(inverse)[i], x[i]) << n.name;
  }
}

}  // namespace
}  // namespace hindscan
