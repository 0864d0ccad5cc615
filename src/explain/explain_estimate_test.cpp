// What a request is said to take before it is run.
#include <gtest/gtest.h>

#include <atomic>

#include "base/signals.h"
#include "base/testing/compare.h"
#include "explain/explain_plan.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

// Each part of a request costs as often as it is done: walks of integrated gradients have one at the baseline, and each
// pass over edited texts an unedited one (of 1024 tokens in 4096: one to three).
TEST(Request, SecondsAddUpFromThoseOfOneOfEach) {
  ExplainRequest r = request_for(distinct_tokens(20));
  r.methods = parse_methods(
      "frozen,scan,integrated-gradients:steps=4,rollout:rows=normalised,smooth-gradient:samples=9,expected-gradients:"
      "samples=6,"
      "leave-one-out:tokens=7,shapley,scan:by=word");
  r.causal_edits = 3;
  UnitSeconds unit;
  unit.shared = 100;
  unit.walk = [](const MethodSpec& m) {
    return m.name == "integrated-gradients" ? 10.0 : m.name == "smooth-gradient" ? 0.5 : 0.25;
  };
  unit.maps = [](const MethodSpec& m) { return m.name == "rollout" ? 7000.0 : 1e9; };
  unit.orders = [](const MethodSpec& m) { return m.name == "shapley" ? 8000.0 : 1e9; };
  unit.edited_token = 0.5;
  unit.scan = [](const MethodSpec& m) {
    return m.options.empty() ? ScanSeconds{1000, 200, 30, {5000, 9000}} : ScanSeconds{400, 50, 0, {600}};
  };
  ExplainEstimate e;
  set_seconds(r, unit, 1024, e);
  EXPECT_EQ(e.parts,
            (std::vector<double>{100, 5 * 10, 9 * 0.5, 12 * 0.25, (7 + 3) * 512, 1000, 200, 30, 7000, 8000, 400, 50}));
  EXPECT_EQ(e.causal_seconds, (3 + 1) * 512);
  EXPECT_EQ(e.seconds, 157.5 + 14 * 512 + 1680 + 15000);
  EXPECT_EQ(e.further, (std::vector<double>{5600, 9000}));
}

// By a guess, attention's share grows with the tokens that each one reads: half of the text, and all before it.
TEST(Request, TokensBeforeTheTextCountInTheGuess) {
  const Model model = random_model(config_of("llama"), DType::kF32);
  ExplainRequest r = request_of(model, 2000);
  const auto pairs = [&] {
    const ExplainEstimate e = make_explain_plan(model, r, kTokens - 1).estimate;
    const double share = e.quadratic_seconds / (e.seconds - e.plan_seconds - e.causal_seconds);
    return share / (1 - share);
  };
  const double alone = pairs();
  SequenceState before = state_after(model, some_tokens());
  r.state_in = &before;
  EXPECT_TRUE(agree(pairs(), 3 * alone, tol::kF64Absolute.times(10)));
}

// A request that was taken back stops where a part of it is run.
TEST(Request, LongGuessesAreTimedWherePartsAreLittleOfThem) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(20));
  const std::atomic<bool> cancelled = true;
  const RequestScope scope(&cancelled);
  const auto improved = [&](double seconds, double shared) {
    ExplainPlan plan = make_explain_plan(model, r, 19);
    plan.estimate.seconds = seconds, plan.estimate.parts = {shared};
    improve_seconds(model, r, 19, plan);
    return plan.estimate.seconds;
  };
  EXPECT_EQ(improved(2, 0.1), 2);
  EXPECT_NE(improved(100, 50), 100) << "a second guess";
  EXPECT_THROW(improved(100, 10), Stopped);
  r.methods = parse_methods("scan:by=token");
  EXPECT_NE(improved(100, 10), 100) << "parts of so short a text say little of its scan";
}

TEST(Request, WhatDoesNotFitIsNotTimed) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(20));
  const std::atomic<bool> cancelled = true;
  const RequestScope scope(&cancelled);
  EXPECT_THROW(estimate_explain(model, r), Stopped);
  r.mem_limit = 1000;
  EXPECT_GT(estimate_explain(model, r).bytes, r.mem_limit);
}

TEST(Request, EditsTakeTimeOnlyWhereTheyJudgeAMethod) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(20));
  r.methods = parse_methods("row,frozen");
  EXPECT_GT(make_explain_plan(model, r, 19).estimate.causal_seconds, 0);
  r.methods = parse_methods("row,rollout");
  EXPECT_EQ(make_explain_plan(model, r, 19).estimate.causal_seconds, 0);
}

}  // namespace
}  // namespace hindscan
