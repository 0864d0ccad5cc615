#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

namespace hindscan {
namespace {

TEST(Bootstrap, EveryDrawHoldsAsManyOfEachSort) {
  const std::vector<size_t> sorts = {0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1};
  size_t draws = 0, repeated = 0;
  bootstrap_interval(sorts, 200, [&](std::span<const size_t> drawn) {
    ++draws;
    EXPECT_EQ(drawn.size(), sorts.size());
    std::map<size_t, size_t> times;
    for (size_t i = 0; i < drawn.size(); ++i) {
      EXPECT_EQ(sorts.at(drawn[i]), sorts[i]);
      repeated += ++times[drawn[i]] == 2 ? 1 : 0;
    }
    return std::optional(0.0);
  });
  EXPECT_EQ(draws, 200u);
  EXPECT_GT(repeated, draws);
}

// What sorts have apart from each other is no part of the interval.
TEST(Bootstrap, SortsThatDifferWidenNothing) {
  const std::vector<double> values = {100, 101, 99, 100, 100, 0, 1, -1, 0, 0};
  const std::vector<size_t> sorts = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  const auto mean = [&](std::span<const size_t> drawn) {
    double sum = 0;
    for (const size_t g : drawn) sum += values[g] / static_cast<double>(drawn.size());
    return std::optional(sum);
  };
  const Interval within = *bootstrap_interval(sorts, 2000, mean), over = *bootstrap_interval(values.size(), 2000, mean);
  EXPECT_GT(within.low, 49);
  EXPECT_LT(within.high, 51);
  EXPECT_LT(over.low, 30);
  EXPECT_GT(over.high, 70);
  const Interval one = *bootstrap_interval(std::vector<size_t>(10, 7), 2000, mean);
  EXPECT_EQ(one.low, over.low);
  EXPECT_EQ(one.high, over.high);
}

TEST(Bootstrap, ASortOfFewHasNoInterval) {
  const auto any = [](std::span<const size_t>) { return std::optional(1.0); };
  EXPECT_TRUE(bootstrap_interval(std::vector<size_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, 100, any));
  EXPECT_FALSE(bootstrap_interval(std::vector<size_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, 100, any));
  EXPECT_FALSE(bootstrap_interval(std::vector<size_t>{}, 100, any));
  EXPECT_FALSE(bootstrap_interval(0, 100, any));
}

}  // namespace
}  // namespace hindscan
