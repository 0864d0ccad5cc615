#include "base/interval.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"

namespace hindscan {
namespace {

TEST(CaseD10, ShareIntervalIsWilsons) {  // scipy.stats.binomtest(k, n).proportion_ci(0.95, "wilson")
  EXPECT_TRUE(agree(share_interval(7, 24)->low, 0.14914648196960875, tol::kF64Each));
  EXPECT_TRUE(agree(share_interval(7, 24)->high, 0.49167693664496637, tol::kF64Each));
  EXPECT_EQ(share_interval(24, 24)->high, 1.0);
  EXPECT_TRUE(agree(share_interval(24, 24)->low, 0.8620237953250198, tol::kF64Each));
  EXPECT_EQ(share_interval(0, 3)->low, 0.0);
  EXPECT_FALSE(share_interval(0, 0));
}

TEST(CaseD10, RunningMeanKnowsItsStandardError) {
  RunningMean mean;
  EXPECT_FALSE(mean.standard_error());
  mean.add(1);
  EXPECT_FALSE(mean.interval());  // one number has a mean and no error
  for (const double x : {2.0, 4.0, 9.0}) mean.add(x);
  EXPECT_TRUE(agree(mean.mean(), 4.0, tol::kF64Ulp));
  EXPECT_TRUE(agree(*mean.standard_error(), std::sqrt(38.0 / 3 / 4), tol::kF64Each));
  EXPECT_TRUE(agree(mean.interval()->high - mean.mean(), 1.959963984540054 * std::sqrt(38.0 / 3 / 4), tol::kF64Each));
}

}  // namespace
}  // namespace hindscan
