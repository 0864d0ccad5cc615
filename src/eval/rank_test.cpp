#include "eval/rank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
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
  EXPECT_EQ(*sign_agreement(Values{0, 0}, Values{1, -1}), 0);  // nothing was predicted
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

TEST(CaseD10, TheBootstrapIntervalHoldsTheCorrelationAndShrinksWithMoreGroups) {
  const auto interval = [](size_t n, double noise, size_t per_group) {
    Rng rng(1, "pairs");
    Values a, b;
    std::vector<int64_t> groups;
    for (size_t i = 0; i < n; ++i) {
      a.push_back(rng.normal());
      b.push_back(a.back() + noise * rng.normal());
      groups.push_back(static_cast<int64_t>(i / per_group));
    }
    const std::optional<Interval> out = spearman_interval(a, b, groups);
    if (out) {
      EXPECT_LE(out->low, *spearman(a, b));
      EXPECT_GE(out->high, *spearman(a, b));
      EXPECT_EQ(out->low, spearman_interval(a, b, groups)->low);  // the same every time
    }
    return out;
  };
  const Interval few = *interval(24, 1, 1), many = *interval(2400, 1, 1);
  EXPECT_GT(few.high - few.low, 0.25);
  EXPECT_LT(many.high - many.low, 0.1);
  EXPECT_FALSE(interval(24, 1, 6));  // four groups
  EXPECT_EQ(interval(24, 0, 1)->low, 1.0);
  // What is said six times over is not known six times better.
  Values a, b;
  std::vector<int64_t> together, apart;
  Rng rng(2, "copies");
  for (int64_t i = 0; i < 20; ++i) {
    const double x = rng.normal(), y = x + rng.normal();
    for (int64_t k = 0; k < 6; ++k) {
      a.push_back(x);
      b.push_back(y);
      together.push_back(i);
      apart.push_back(6 * i + k);
    }
  }
  const Interval honest = *spearman_interval(a, b, together), sure = *spearman_interval(a, b, apart);
  EXPECT_GT(honest.high - honest.low, 1.7 * (sure.high - sure.low));
}

// Of samples with a known correlation: it lies below the interval in one of forty, above in one of forty.
TEST(CaseD10, TheBootstrapIntervalMissesOnEitherSideAboutEquallyRarely) {
  const double truth = 6 / M_PI * std::asin(0.5 / std::sqrt(2.0));  // Spearman's of x and x + noise of the same size
  int below = 0, above = 0;
  for (uint64_t sample = 0; sample < 60; ++sample) {
    Rng rng(sample, "coverage");
    Values a, b;
    std::vector<int64_t> groups;
    for (int64_t i = 0; i < 60; ++i) {
      a.push_back(rng.normal());
      b.push_back(a.back() + rng.normal());
      groups.push_back(i);
    }
    const Interval interval = *spearman_interval(a, b, groups);
    below += truth < interval.low;
    above += truth > interval.high;
  }
  EXPECT_LE(below, 5);
  EXPECT_LE(above, 5);
}

TEST(CaseD10, SignsHaveAnIntervalOfTheirOwn) {
  EXPECT_TRUE(agree(sign_interval(Values{1, 1, 1, 0, 5}, Values{1, 2, -1, 3, 0})->low, share_interval(2, 4)->low,
                    tol::kF64Each));
  EXPECT_FALSE(sign_interval(Values{1}, Values{0}));
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

TEST(CaseA1, RanksOfNumbersThatAreNoneEndAndCountForNothing) {
  EXPECT_EQ(ranks(Values{kNan, 2, kNan, 1, 2}), (Values{4, 2.5, 5, 1, 2.5}));
  EXPECT_EQ(ranks(Values{kInf, -kInf, 0, kInf}), (Values{3.5, 1, 2, 3.5}));
  for (size_t at = 0; at < 40; ++at) {
    Values sick, sound;
    std::vector<char> positive;
    for (size_t i = 0; i < 40; ++i) {
      sound.push_back(static_cast<double>(i * 17 % 40));
      sick.push_back(i >= at && i % 3 == at % 3 ? kNan : sound.back());
      positive.push_back(static_cast<char>(i % 2));
    }
    EXPECT_FALSE(spearman(sick, sound)) << at;
    EXPECT_FALSE(spearman(sound, sick)) << at;
    EXPECT_FALSE(sign_agreement(sick, sound)) << at;
    EXPECT_FALSE(sign_agreement(sound, sick)) << at;
    EXPECT_FALSE(auc(sick, positive)) << at;
    EXPECT_FALSE(average_precision(sick, positive)) << at;
  }
}

}  // namespace
}  // namespace hindscan
