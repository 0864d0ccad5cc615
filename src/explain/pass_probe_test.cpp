// What is foretold of a pass from a few tokens is what a longer one takes.
#include "explain/pass_probe.h"

#include <gtest/gtest.h>

#include "explain/explain_plan.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

TEST(PassProbes, AWindowKeepsNoMoreTokensThanThereAre) {
  PassProbe probe;
  probe.state = 10;
  probe.caches = {{"a.k", 3, 4}, {"b.k", 1, 100}};
  EXPECT_EQ(probe.state_bytes(2), 10 + 2 * 3 + 2);
  EXPECT_EQ(probe.state_bytes(50), 10 + 3 * 3 + 50);
  EXPECT_EQ(probe.state_bytes(1000), 10 + 3 * 3 + 99);
}

class FamilyProbes : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, FamilyProbes, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

TEST_P(FamilyProbes, TheStateTakesWhatIsForetold) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  const ExplainRequest r = request_of(model, 2000);
  if (r.tokens.empty()) GTEST_SKIP() << "this model reads vectors";
  const PassProbe probe = probe_pass(model, walk_of(model, r));
  if (probe.whole) GTEST_SKIP() << "this model leaves no state";
  for (const int64_t T : {int64_t{5}, kTokens}) {
    int64_t bytes = 0;
    const SequenceState state = state_after(model, std::span(r.tokens).first(static_cast<size_t>(T)));
    for (const auto& [name, slot] : state.slots()) bytes += std::ssize(slot.bytes);
    EXPECT_EQ(probe.state_bytes(T) + probe.cached() * T, bytes) << T;
  }
}

// A long text in small chunks is little else than its scores and what attention keeps: in the state, and at the
// borders.
TEST_P(FamilyProbes, KeysAndValuesCountInTheStateAndAtTheBorders) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest r = request_of(model, 16);
  if (r.tokens.empty() || model.arch().sizes().labels > 0) GTEST_SKIP() << "this model is not walked in chunks";
  constexpr int64_t kLong = 8000;
  r.tokens.resize(kLong, 1);
  r.causal_edits = 0;
  const ExplainPlan plan = make_explain_plan(model, r, kLong - 1);
  EXPECT_EQ(plan.estimate.chunk, 16);
  EXPECT_GE(plan.estimate.bytes, score_bytes(model, r) + 2 * plan.probe.cached() * kLong);
}

TEST_P(FamilyProbes, ATokenOnTheTapeTakesWhatIsForetold) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest r = request_of(model, 2000);
  if (r.tokens.empty()) GTEST_SKIP() << "this model reads vectors";
  const int64_t tape = probe_pass(model, walk_of(model, r)).tape;
  constexpr int64_t kMany = 200, kMore = 100;
  r.tokens.resize(kMany, 1);
  const Recorded many(model, r);
  r.tokens.resize(kMany + kMore, 1);
  const Recorded more(model, r);
  const double each = static_cast<double>(more.ctx.peak_bytes() - many.ctx.peak_bytes()) / kMore;
  EXPECT_GT(static_cast<double>(tape), 0.8 * each);
  EXPECT_LT(static_cast<double>(tape), 1.5 * each);
}

}  // namespace
}  // namespace hindscan
