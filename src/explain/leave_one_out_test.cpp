// The scores are what is lost when the text is really read without a token.
#include <gtest/gtest.h>

#include "explain/families_test_support.h"

namespace hindscan {
namespace {

class LeaveOneOutFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Some, LeaveOneOutFamilies, ::testing::Values("mamba", "rwkv7", "llama", "xlstm"),
                         [](const auto& name) { return name.param; });

TEST_P(LeaveOneOutFamilies, ScoresAreTheDifferenceToTheTextWithoutTheToken) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);  // the walk keeps states at its borders
  r.methods = parse_methods("leave-one-out:tokens=5");
  const ExplainReport report = explain(model, r);
  const std::span<const double> scores = report.methods[0].scores();
  const auto T = std::ssize(r.tokens);
  ASSERT_EQ(std::ssize(scores), T);
  for (int64_t t = 0; t < T; ++t) {
    if (t < T - 6 || t == T - 1) {
      EXPECT_EQ(scores[static_cast<size_t>(t)], 0) << t << " was not asked for";
      continue;
    }
    std::vector<int32_t> without = r.tokens;
    without.erase(without.begin() + t);
    EXPECT_TRUE(agree(scores[static_cast<size_t>(t)], report.target.value() - value_of(model, without, report.target),
                      tol::kF64Absolute.times(100)))
        << t;
  }
}

TEST(LeaveOneOut, DroppedWritesAreAnotherEdit) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(9));
  r.methods = parse_methods("leave-one-out:edit=drop-write,leave-one-out");
  const ExplainReport report = explain(model, r);
  const std::span<const double> dropped = report.methods[0].scores(), removed = report.methods[1].scores();
  EXPECT_GT(largest(dropped), 1e-9);
  EXPECT_FALSE(agree(dropped, removed, tol::kF64Scores));
}

TEST(LeaveOneOut, OfOneTokenNothingIsTakenOut) {
  ExplainRequest r = request_for(distinct_tokens(1));
  r.methods = parse_methods("leave-one-out");
  const MethodReport m = explain(tiny_model(DType::kF64), r).methods[0];
  EXPECT_EQ(m.scores()[0], 0);
  EXPECT_NE(m.label.find("no token"), std::string::npos);
}

TEST_P(LeaveOneOutFamilies, ItsTextsCountInTheEstimate) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest with = request_of(model, 7), without = with;
  with.methods = parse_methods("frozen,leave-one-out");
  without.methods = parse_methods("frozen");
  with.causal_edits = without.causal_edits = 0;
  const ExplainEstimate e = estimate_explain(model, with);
  ASSERT_EQ(e.parts.size(), 2u);
  EXPECT_GT(e.parts[1], 0);
  EXPECT_EQ(estimate_explain(model, without).parts.size(), 1u);
}

}  // namespace
}  // namespace hindscan
