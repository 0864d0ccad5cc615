// What a scan says of itself, against the edits it did not run.
#include "explain/scan_check.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/run_edits.h"

namespace hindscan {
namespace {

struct LongText {
  LongText() : model(random_model(config_of("gated_deltanet"), DType::kF64)) {
    Rng rng(2, "long text");
    for (int64_t t = 0; t < 90; ++t) r.tokens.push_back(static_cast<int32_t>(rng.below(kVocab)));
    r.methods = parse_methods("row");
    target = explain(model, r).target;
    for (int64_t t = 0; t < target.position; ++t) edits.push_back({EditKind::kRemove, t, 0});
    truth = run_edits(model, r, target, edits);
  }
  Model model;
  ExplainRequest r;
  TargetReport target;
  std::vector<Edit> edits;
  std::vector<double> truth;
};

TEST(ScanCheck, WhatWasRunStandsInPlaceOfWhatWasEstimated) {
  const LongText text;
  const CheckedScan checked = checked_scan(text.model, text.r, {&text.target, 1}, text.edits, {4, 4});
  int64_t run = 0;
  for (size_t i = 0; i < text.edits.size(); ++i) {
    if (!checked.responses[i].exact) continue;
    ++run;
    EXPECT_TRUE(agree(checked.responses[i].change, text.truth[i], tol::kF64Absolute)) << i;
  }
  EXPECT_GE(run, checked.exact + 20);
  EXPECT_LE(run, checked.exact + 30 * std::ssize(checked.checks));
  size_t strongest = 0;
  for (size_t i = 1; i < text.edits.size(); ++i) {
    if (std::abs(checked.responses[i].change) > std::abs(checked.responses[strongest].change)) strongest = i;
  }
  EXPECT_TRUE(checked.responses[strongest].exact);
}

// Random weights make edits far from linear: the scan sees that it is poor there, reaches further and says so.
TEST(ScanCheck, ReachesFurtherWhereItIsPoor) {
  const LongText text;
  const CheckedScan checked = checked_scan(text.model, text.r, {&text.target, 1}, text.edits, {0, 0});
  ASSERT_GE(checked.checks.size(), 2u);
  EXPECT_LT(checked.checks.front().skill.value_or(1), kGoodSkill);
  for (size_t i = 1; i < checked.checks.size(); ++i)
    EXPECT_GT(checked.checks[i].reach.window, 2 * checked.checks[i - 1].reach.window);
  EXPECT_EQ(checked.approximate, checked.checks.back().skill.value_or(1) < kGoodSkill);
}

TEST(ScanCheck, ItsSkillIsThatOfTheEditsItDrew) {
  const LongText text;
  const std::vector<ScanResponse> scan = scan_edits(text.model, text.r, text.target, text.edits, {16, 16});
  std::vector<double> misses;
  for (size_t i = 0; i < scan.size(); ++i) misses.push_back(scan[i].change - text.truth[i]);
  const CheckedScan checked = checked_scan(text.model, text.r, {&text.target, 1}, text.edits, {16, 16});
  ASSERT_EQ(checked.checks.size(), 1u);
  EXPECT_EQ(checked.checks[0].drawn, 20);
  EXPECT_LE(checked.checks[0].largest_miss, largest(misses) * (1 + 1e-9));
  EXPECT_GT(checked.checks[0].largest_miss, 0);
}

}  // namespace
}  // namespace hindscan
