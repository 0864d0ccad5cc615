#include "model/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/testing/compare.h"

namespace hindscan {
namespace {

std::vector<float> logits_of(const std::vector<double>& p) {
  std::vector<float> out;
  out.reserve(p.size());
  for (const double v : p) out.push_back(static_cast<float>(std::log(v)));
  return out;
}

std::map<int32_t, double> frequencies(const SamplerOptions& o, const std::vector<float>& logits, int n = 20000) {
  Sampler sampler(o);
  std::map<int32_t, double> f;
  for (int i = 0; i < n; ++i) f[sampler.sample(logits)] += 1.0 / n;
  return f;
}

ErrorCode code_of(const SamplerOptions& o, const std::vector<float>& logits) {
  try {
    Sampler(o).sample(logits);
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kInternal;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  SamplerOptions o;
  o.temperature = 0;
  EXPECT_EQ(Sampler(o).sample(std::vector<float>{0, 3, -1, 3}), 1);
}

TEST(Sampler, FrequenciesFollowTheDistribution) {
  const std::vector<double> p = {0.5, 0.2, 0.15, 0.1, 0.05};
  const auto f = frequencies({}, logits_of(p));
  for (size_t i = 0; i < p.size(); ++i) EXPECT_TRUE(agree(f.at(static_cast<int32_t>(i)), p[i], tol::kFrequency)) << i;
}

TEST(Sampler, TemperatureSharpens) {
  SamplerOptions o;
  o.temperature = 0.5;  // p^2, normalised
  const auto f = frequencies(o, logits_of({0.6, 0.3, 0.1}));
  EXPECT_TRUE(agree(f.at(0), 0.36 / 0.46, tol::kFrequency));
  EXPECT_TRUE(agree(f.at(1), 0.09 / 0.46, tol::kFrequency));
}

TEST(Sampler, TopKKeepsTheKMostProbable) {
  SamplerOptions o;
  o.top_k = 2;
  const auto f = frequencies(o, logits_of({0.1, 0.4, 0.2, 0.3}));
  EXPECT_EQ(f.size(), 2u);
  EXPECT_TRUE(agree(f.at(1), 4.0 / 7, tol::kFrequency.times(1.25)));
  EXPECT_TRUE(agree(f.at(3), 3.0 / 7, tol::kFrequency.times(1.25)));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesP) {
  SamplerOptions o;
  o.top_p = 0.65;
  EXPECT_EQ(frequencies(o, logits_of({0.05, 0.4, 0.25, 0.3})).size(), 2u);  // 0.4 + 0.3 >= 0.65
  o.top_p = 0.01;
  EXPECT_EQ(frequencies(o, logits_of({0.05, 0.4, 0.25, 0.3})).size(), 1u);
}

TEST(Sampler, TopPCountsWithinTopK) {
  SamplerOptions o;
  o.top_k = 2;
  o.top_p = 0.5;  // 0.4 / (0.4 + 0.3) >= 0.5
  EXPECT_EQ(frequencies(o, logits_of({0.05, 0.4, 0.25, 0.3})).size(), 1u);
}

TEST(Sampler, MinPIsRelativeToTheTop) {
  SamplerOptions o;
  o.min_p = 0.5;
  const auto f = frequencies(o, logits_of({0.05, 0.4, 0.19, 0.36}));
  EXPECT_EQ(f.size(), 2u);
  EXPECT_TRUE(f.count(1) && f.count(3));
}

TEST(Sampler, PenaltiesLookBackOverTheWindowOnly) {
  SamplerOptions o;
  o.temperature = 0;
  o.repeat_penalty = 4;
  o.penalty_window = 2;
  Sampler s(o);
  const std::vector<float> logits = {3, 2, -1};
  s.accept(0);
  EXPECT_EQ(s.sample(logits), 1);  // 3 / 4 < 2
  s.accept(2);
  s.accept(2);  // 0 has left the window
  EXPECT_EQ(s.sample(logits), 0);
}

TEST(Sampler, FrequencyPenaltyGrowsWithTheCount) {
  SamplerOptions o;
  o.temperature = 0;
  o.frequency_penalty = 0.6;
  Sampler s(o);
  const std::vector<float> logits = {3, 2};
  s.accept(0);
  EXPECT_EQ(s.sample(logits), 0);
  s.accept(0);
  EXPECT_EQ(s.sample(logits), 1);
}

TEST(Sampler, SameSeedSameTokens) {
  const std::vector<float> logits(100, 0.0f);
  auto draw = [&](uint64_t seed) {
    SamplerOptions o;
    o.seed = seed;
    Sampler s(o);
    std::vector<int32_t> out;
    out.reserve(50);
    for (int i = 0; i < 50; ++i) out.push_back(s.sample(logits));
    return out;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(Sampler, RefusesDamagedLogits) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const double temperature : {0.0, 1.0}) {
    SamplerOptions o;
    o.temperature = temperature;
    EXPECT_EQ(code_of(o, {0, nan, 1}), ErrorCode::kData);
    EXPECT_EQ(code_of(o, {0, inf}), ErrorCode::kData);
    EXPECT_EQ(code_of(o, {-inf, -inf}), ErrorCode::kData);
    EXPECT_EQ(code_of(o, {}), ErrorCode::kData);
    EXPECT_EQ(Sampler(o).sample(std::vector<float>{-inf, 0, -inf}), 1);
  }
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  const std::vector<float> logits = {0, 1};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  SamplerOptions o;
  o.temperature = nan;
  EXPECT_EQ(code_of(o, logits), ErrorCode::kUsage);
  o = {};
  o.top_p = 0;
  EXPECT_EQ(code_of(o, logits), ErrorCode::kUsage);
  o = {};
  o.min_p = 1.5;
  EXPECT_EQ(code_of(o, logits), ErrorCode::kUsage);
  o = {};
  o.repeat_penalty = 0;
  EXPECT_EQ(code_of(o, logits), ErrorCode::kUsage);
}

TEST(LogSumExp, IsStable) {
  EXPECT_TRUE(agree(log_sum_exp(std::vector<float>{1000, 1000}), 1000 + std::log(2.0), tol::kF64Total));
  EXPECT_TRUE(agree(log_sum_exp(std::vector<float>{-1000, -1001}), -1000 + std::log1p(std::exp(-1.0)), tol::kF64Total));
}

TEST(CaseA1, NoSettingSamplesFromNumbersThatAreNone) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  for (const float bad : {kNan, -kNan, kInf}) {
    for (size_t at : {size_t{0}, size_t{31}, size_t{63}}) {
      std::vector<float> logits;
      logits.reserve(64);
      for (int i = 0; i < 64; ++i) logits.push_back(static_cast<float>(i * 29 % 64));
      logits[at] = bad;
      for (const double temperature : {0.0, 0.8}) {
        for (const int64_t top_k : {0, 5}) {
          SamplerOptions o;
          o.temperature = temperature;
          o.top_k = top_k;
          o.top_p = 0.9;
          o.min_p = 0.05;
          EXPECT_EQ(code_of(o, logits), ErrorCode::kData) << bad << " at " << at;
        }
      }
    }
  }
}

TEST(CaseA1, TheLargestLogitsStayNumbersUnderEveryPenalty) {
  constexpr float kTop = std::numeric_limits<float>::max();
  for (const double penalty : {1e-3, 1e3}) {
    SamplerOptions o;
    o.repeat_penalty = penalty;
    o.top_p = 0.9;
    Sampler sampler(o);
    sampler.accept(0);
    sampler.accept(1);
    const int32_t id = sampler.sample(std::vector<float>{kTop, -kTop, 1});
    EXPECT_EQ(id, 0) << penalty;
  }
  SamplerOptions o;
  o.repeat_penalty = 1e-300;
  EXPECT_EQ(code_of(o, {1, 2}), ErrorCode::kUsage);
}

}  // namespace
}  // namespace hindscan
