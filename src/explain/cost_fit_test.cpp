#include "explain/cost_fit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "explain/explain_plan.h"
#include "explain/families_test_support.h"
#include "explain/text_state.h"

namespace hindscan {
namespace {

TEST(CostFit, TwoPartsTellWhatGrowsAndWhatDoesNot) {
  CostFit fit;
  EXPECT_TRUE(std::isnan(fit.seconds({1, 1})));
  const auto took = [](Amounts w) { return 0.5 * w.rest + 0.01 * w.main; };
  fit.add({1, 8}, took({1, 8}));
  EXPECT_TRUE(agree(fit.seconds({1, 80}), 10 * took({1, 8}), tol::kF64Sum));  // alone: in proportion
  fit.add({1, 16}, took({1, 16}));
  EXPECT_TRUE(agree(fit.seconds({3, 1000}), took({3, 1000}), tol::kF64Sum));
  fit.add({2, 64}, took({2, 64}));
  EXPECT_TRUE(agree(fit.seconds({3, 1000}), took({3, 1000}), tol::kF64Sum));
}

TEST(CostFit, PartsThatContradictEachOtherCountInProportion) {
  CostFit fit;
  fit.add({1, 8}, 5);
  fit.add({1, 16}, 4);  // less for more: the first one was cold
  EXPECT_EQ(fit.seconds({1, 160}), 40);
  CostFit more;
  more.add({1, 8}, 1);
  more.add({1, 16}, 3);  // more than in proportion: nothing that does not grow
  EXPECT_EQ(more.seconds({1, 160}), 30);
}

TEST(CostFit, TheSameWorkAgainReplacesItsTime) {
  CostFit fit;
  fit.add({1, 8}, 100);
  fit.add({1, 8}, 2);
  EXPECT_EQ(fit.seconds({1, 80}), 20);
}

TEST(SampleGrowing, DoublesUntilAPartIsEnough) {
  std::vector<int64_t> seen;
  const auto note = [&](int64_t n) { seen.push_back(n); };
  EXPECT_EQ(sample_growing(16, 100, note, [] { return 1e9; }), 100);
  EXPECT_EQ(seen, (std::vector<int64_t>{16, 16, 32, 64, 100}));
  seen.clear();
  EXPECT_EQ(sample_growing(16, 5, note, [] { return 1e9; }), 5);
  EXPECT_EQ(seen, (std::vector<int64_t>{5, 5}));
}

class LongTexts : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, LongTexts, ::testing::ValuesIn(all_cases()), [](const auto& name) { return name.param; });

// A made state has the slots, the shapes and the place of one that was read, so that what comes after costs the same.
TEST_P(LongTexts, AMadeStateHasTheShapesOfOneThatWasRead) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest r = request_of(model, 2000);
  if (r.tokens.empty()) GTEST_SKIP() << "this model reads vectors";
  const PassProbe probe = probe_pass(model, walk_of(model, r));
  if (probe.whole) GTEST_SKIP() << "this model leaves no state";
  constexpr int64_t kLong = 150;
  r.tokens.resize(kLong, 1);
  const SequenceState read = state_after(model, r.tokens),
                      made = long_text_state(model, r.tokens, nullptr, probe, kLong);
  EXPECT_EQ(made.tokens, read.tokens);
  ASSERT_EQ(made.slots().size(), read.slots().size());
  for (const auto& [name, slot] : read.slots()) EXPECT_EQ(made.slots().at(name).shape, slot.shape) << name;
  SequenceState after = made;
  const RunSequence next{std::span(r.tokens).first(3), &after};
  Runner(model).feed({&next, 1});
  EXPECT_EQ(after.tokens, kLong + 3);
}

}  // namespace
}  // namespace hindscan
