// What a scan is said to take, as far as no clock is asked.
#include "explain/scan_estimate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/strongest_edits.h"

namespace hindscan {
namespace {

ExplainRequest long_request(int64_t tokens, const std::string& methods) {
  ExplainRequest r;
  Rng rng(5, "long request");
  for (int64_t t = 0; t < tokens; ++t) r.tokens.push_back(static_cast<int32_t>(rng.below(kVocab)));
  r.methods = parse_methods(methods);
  r.causal_edits = 0;
  return r;
}

Model classifier() {
  Config config = config_of("mamba");
  config.set("pooling", std::string("mean"));
  config.set("num_labels", int64_t{4});
  return random_model(config, DType::kF32);
}

TEST(ScanEstimate, StrongEditsStayWhereTheyAreOrMoveWithTheText) {
  StrongestEdits recent, first, between, receding;
  recent.add(64, {5, 15}), recent.add(256, {4, 16});
  EXPECT_TRUE(agree(recent.at(4096), std::vector<double>{4, 16}, tol::kF64Absolute));
  first.add(64, {60, 64}), first.add(128, {120, 128});
  EXPECT_TRUE(agree(first.at(1280), std::vector<double>{1200, 1280}, tol::kF64Absolute.times(1000)));
  between.add(100, {20}), between.add(400, {40});  // as the root
  EXPECT_TRUE(agree(between.at(1600), std::vector<double>{80}, tol::kF64Absolute.times(100)));
  receding.add(64, {40}), receding.add(128, {10});
  EXPECT_TRUE(agree(receding.at(4096), std::vector<double>{10}, tol::kF64Absolute));
}

// The part that has none yet says nothing of how they move.
TEST(ScanEstimate, PartsWithoutStrongEditsAreNotCompared) {
  StrongestEdits edits;
  edits.add(16, {});
  edits.add(64, {30});
  edits.add(128, {60});
  EXPECT_TRUE(agree(edits.at(1280), std::vector<double>{600}, tol::kF64Absolute.times(1000)));
}

TEST(ScanEstimate, TheGuessGrowsWithWhatIsAskedFor) {
  const Model model = random_model(config_of("mamba"), DType::kF32);
  const auto guess = [&](int64_t tokens, const std::string& method) {
    const ExplainRequest r = long_request(tokens, method);
    return guess_scan(model, r, tokens - 1, r.methods[0], 1e-3);
  };
  const ScanSeconds one = guess(101, "scan:by=token"), two = guess(201, "scan:by=token");
  EXPECT_GT(two.scan, 1.9 * one.scan);
  EXPECT_LT(two.scan, 2.1 * one.scan);
  EXPECT_TRUE(agree(two.check, one.check * 201 / 101, tol::kF64Absolute));
  EXPECT_EQ(one.further.size(), 2u);  // (9, 9) and (19, 19)
  EXPECT_GT(one.further[1], one.further[0]);
  EXPECT_GT(one.further[0], one.scan);
  EXPECT_TRUE(guess(101, "scan:by=token,window=16").further.empty());
  EXPECT_GT(guess(101, "scan:by=token,tail=16").scan, one.scan);
  EXPECT_GT(guess(101, "scan:by=token,alternatives=16").replaced, one.replaced);
  EXPECT_EQ(guess(101, "scan:by=token,alternatives=0").replaced, 0);
  EXPECT_EQ(guess(101, "scan:by=word").replaced, 0);
  EXPECT_EQ(guess(1, "scan:by=token").scan, 0);  // nothing stands before the target
}

TEST(ScanEstimate, AModelThatJudgesTextsReadsThemWholeForEveryEdit) {
  const Model model = classifier();
  const ExplainRequest r = long_request(41, "scan:by=token");
  const ScanSeconds guess = guess_scan(model, r, 40, r.methods[0], 1e-3);
  EXPECT_TRUE(agree(guess.scan, 40 * 41 * 1e-3, tol::kF64Absolute));
  EXPECT_EQ(guess.check + guess.replaced, 0);
  EXPECT_TRUE(guess.further.empty());
}

class FamilyScanEstimate : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, FamilyScanEstimate, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// Parts of the request are scanned for every family, pieces and reach: each part of the work is said, apart from the
// shared walk.
TEST_P(FamilyScanEstimate, EveryPartIsTimed) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  if (model.arch().sizes().feature_dim > 0) GTEST_SKIP() << "this model reads vectors";
  const bool labels = model.arch().sizes().labels > 0;
  for (const auto& [method, parts] :
       std::vector<std::pair<std::string, size_t>>{{"scan:by=token", 4}, {"scan:by=word,tail=0", 3}}) {
    const ExplainEstimate e = estimate_explain(model, long_request(80, method));
    ASSERT_EQ(e.parts.size(), labels ? 3 : parts) << method;
    double sum = e.plan_seconds;
    for (double part : e.parts) {
      EXPECT_TRUE(part >= 0 && std::isfinite(part)) << method;
      sum += part;
    }
    EXPECT_GT(e.parts[1], 0) << method;
    EXPECT_TRUE(agree(e.seconds, sum, tol::kF64Absolute));
    for (double more : e.further) EXPECT_TRUE(more > 0 && std::isfinite(more)) << method;
    EXPECT_EQ(e.further.empty(), labels) << method;
  }
}

TEST(ScanEstimate, ShortAndJudgedTextsAreTimedToo) {
  const Model model = random_model(config_of("hybrid"), DType::kF32);
  for (const int64_t tokens : {1, 2, 9, 20}) {
    const ExplainEstimate e = estimate_explain(model, long_request(tokens, "scan:by=token"));
    EXPECT_TRUE(e.seconds > 0 && std::isfinite(e.seconds)) << tokens;
    EXPECT_EQ(e.parts.size() > 1, tokens > 1) << tokens;
  }
  const ExplainEstimate e = estimate_explain(classifier(), long_request(30, "scan:by=token,scan:by=word"));
  EXPECT_EQ(e.parts.size(), 5u);
  EXPECT_GT(e.parts[1], 0);
}

TEST(ScanEstimate, TheSentenceNamesWhatAPoorCheckWouldAskFor) {
  ExplainEstimate e;
  e.tokens = 100, e.seconds = 10;
  EXPECT_EQ(to_text(e).find("up to"), std::string::npos);
  e.further = {20, 30};
  EXPECT_NE(to_text(e).find("up to 60 s"), std::string::npos) << to_text(e);
}

// Without others to draw from: its outputs are no tokens.
TEST(Scan, AModelThatJudgesTextsExpectsNoTokensInPlaces) {
  const ExplainReport report = explain(classifier(), long_request(20, "scan:by=token"));
  EXPECT_EQ(report.methods[0].find("replaced"), nullptr);
  EXPECT_NE(explain(random_model(config_of("mamba"), DType::kF32), long_request(20, "scan:by=token"))
                .methods[0]
                .find("replaced"),
            nullptr);
}

}  // namespace
}  // namespace hindscan
