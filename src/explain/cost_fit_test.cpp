// Seconds foretold from timed parts, with parts whose seconds are known.
#include "explain/cost_fit.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "base/testing/compare.h"

namespace hindscan {
namespace {

TEST(CostFit, PartsFixedFromGrowingSeconds) {
  CostFit fit;
  EXPECT_TRUE(std::isnan(fit.seconds({1, 1})));
  const auto took = [](double chunks, double tokens) { return 0.03 * chunks + 2e-4 * tokens; };
  fit.add({2, 64}, took(2, 64));
  EXPECT_TRUE(agree(fit.seconds({20, 640}), 10 * took(2, 64), tol::kF64Absolute));  // one part: in proportion
  fit.add({2, 512}, took(2, 512));
  EXPECT_TRUE(agree(fit.seconds({20, 10000}), took(20, 10000), tol::kF64Absolute));
}

TEST(CostFit, TheLastTimeOfTheSamePartCounts) {
  CostFit fit;
  fit.add({2, 64}, 50);  // cold
  fit.add({2, 64}, 0.02 + 0.64);
  fit.add({2, 128}, 0.02 + 1.28);
  EXPECT_TRUE(agree(fit.seconds({3, 1000}), 0.03 + 10, tol::kF64Absolute));
}

TEST(CostFit, PartsThatContradictAreTakenInProportion) {
  for (const double second : {0.9, 3.0}) {  // less than the first took; more than in proportion
    CostFit fit;
    fit.add({4, 64}, 1);
    fit.add({4, 128}, second);
    EXPECT_TRUE(agree(fit.seconds({100, 1280}), 10 * second, tol::kF64Absolute));
  }
}

TEST(CostFit, OnlyALongCallIsTimedOnce) {
  int calls = 0;
  const auto sleep = [&](int milliseconds) {
    calls = 0;
    seconds_of([&] {
      ++calls;
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    });
    return calls;
  };
  EXPECT_EQ(sleep(210), 1);
  EXPECT_EQ(sleep(5), 2);
  EXPECT_GT(sleep(0), 2);
}

// The sizes sampled where a part of n tokens says that it took seconds(n), and takes no time.
std::vector<int64_t> sampled(int64_t first, int64_t most, double foretold, double (*seconds)(int64_t n)) {
  std::vector<int64_t> sizes;
  const auto sample = [&](int64_t n) {
    sizes.push_back(n);
    return seconds(n);
  };
  sample_growing(first, most, sample, [&] { return foretold; });
  return sizes;
}

TEST(CostFit, SamplesGrowFasterWhileSecondsDoNot) {
  const auto fixed = [](int64_t n) { return 1.0 + 1e-3 * static_cast<double>(n); };
  EXPECT_EQ(sampled(64, 1000, 1e6, fixed), (std::vector<int64_t>{64, 128, 512, 1000}));
  const auto growing = [](int64_t n) { return 1.0 * static_cast<double>(n); };
  EXPECT_EQ(sampled(16, 100, 1e6, growing), (std::vector<int64_t>{16, 32, 64, 100}));
}

TEST(CostFit, AShortFirstPartIsTakenAgainOnceWarm) {
  const auto brief = [](int64_t n) { return 1e-4 * static_cast<double>(n); };
  EXPECT_EQ(sampled(16, 40, 1e6, brief), (std::vector<int64_t>{16, 16, 32, 40}));
  EXPECT_EQ(sampled(16, 12, 1e6, brief), (std::vector<int64_t>{12, 12}));
}

TEST(CostFit, SamplesEndWhereTheyTakeMuchOfWhatIsForetold) {
  const auto slow = [](int64_t n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    return 1.0 * static_cast<double>(n);
  };
  EXPECT_EQ(sampled(16, 1000, 1, slow), (std::vector<int64_t>{16, 32}));
}

TEST(CostFit, SamplesEndWhereNothingIsForetold) {
  const auto growing = [](int64_t n) { return 1.0 * static_cast<double>(n); };
  EXPECT_EQ(sampled(16, 1000, std::nan(""), growing), (std::vector<int64_t>{16, 32}));
}

}  // namespace
}  // namespace hindscan
