#include "eval/rank.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"

namespace hindscan {
namespace {

using Values = std::vector<double>;

TEST(Rank, TiesShareTheirMean) { EXPECT_EQ(ranks(Values{3, 1, 3, 2}), (Values{3.5, 1, 3.5, 2})); }

TEST(Rank, SpearmanIsOneForAnyIncreasingRelation) {
  EXPECT_TRUE(agree(*spearman(Values{1, 2, 5, 9}, Values{-4, 0, 0.1, 100}), 1.0, tol::kF64Ulp));
  EXPECT_TRUE(agree(*spearman(Values{1, 2, 5, 9}, Values{4, 3, 2, 1}), -1.0, tol::kF64Ulp));
  EXPECT_TRUE(agree(*spearman(Values{1, 2, 3, 4, 5}, Values{5, 6, 7, 8, 7}), 0.8207826816681233,
                    tol::kF64Absolute));  // scipy.stats.spearmanr
  EXPECT_FALSE(spearman(Values{1, 1, 1}, Values{1, 2, 3}));
  EXPECT_FALSE(spearman(Values{1}, Values{1}));
}

TEST(Rank, SignAgreementSkipsWhatDidNotChange) {
  EXPECT_TRUE(agree(*sign_agreement(Values{1, -1, 5, 0}, Values{2, 3, 0, 1}), 1.0 / 3, tol::kF64Ulp));
  EXPECT_FALSE(sign_agreement(Values{1}, Values{0}));
}

TEST(Rank, AucAndAveragePrecision) {
  const std::vector<char> positive = {0, 1, 0, 1};
  EXPECT_TRUE(agree(*auc(Values{0.1, 0.4, 0.35, 0.8}, positive), 1.0, tol::kF64Ulp));
  EXPECT_TRUE(agree(*auc(Values{0.1, 0.2, 0.35, 0.8}, positive), 0.75, tol::kF64Ulp));
  EXPECT_TRUE(agree(*auc(Values{1, 1, 1, 1}, positive), 0.5, tol::kF64Ulp));
  EXPECT_FALSE(auc(Values{1, 2}, std::vector<char>{1, 1}));
  EXPECT_TRUE(agree(*average_precision(Values{0.1, 0.4, 0.35, 0.8}, positive), 1.0, tol::kF64Ulp));
  EXPECT_TRUE(agree(*average_precision(Values{0.1, 0.2, 0.35, 0.8}, positive), (1.0 + 2.0 / 3) / 2, tol::kF64Ulp));
  EXPECT_TRUE(agree(*average_precision(Values{1, 1}, std::vector<char>{1, 0}), 0.5, tol::kF64Ulp));  // ties are no help
}

}  // namespace
}  // namespace hindscan
