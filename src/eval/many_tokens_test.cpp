#include "eval/many_tokens.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "eval/edit_draw.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

struct Case {
  explicit Case(int64_t T) : model(tiny_model(DType::kF32)), tokens(distinct_tokens(T)) {
    ExplainRequest r = request_for(tokens);
    r.methods = parse_methods("frozen");
    target = explain(model, r).target;
  }
  Model model;
  std::vector<int32_t> tokens;
  TargetReport target;
};

TEST(CausalMany, SumsOfSinglesAreRankedAgainstWhatMasksDid) {
  const MaskTrial trial{{{0, 1}, {2}, {0, 2}, {1}}, {3, 2, 1, 4}};
  EXPECT_TRUE(agree(*additivity(trial, std::vector<double>{1, 2, -1}), 0.6, tol::kF64Absolute));  // sums 3 -1 0 2
  EXPECT_FALSE(additivity(trial, std::vector<double>{0, 0, 0}));
  EXPECT_FALSE(additivity({{}, {}}, std::vector<double>{1}));
}

TEST(CausalMany, AMaskIsAllItsReplacementsAtOnce) {
  Case c(8);
  TextRunner runner(c.model, c.tokens, c.target, 64);
  const std::vector<Edit> single = {{EditKind::kReplace, 1, 5}, {EditKind::kReplace, 6, 7}};
  const MaskTrial trial = run_masks(runner, c.tokens, single, {{0}, {0, 1}});
  std::vector<int32_t> both = c.tokens;
  both[1] = 5;
  EXPECT_TRUE(agree(trial.changes[0], value_of(c.model, both, c.target) - c.target.value(), tol::kF32Accumulated));
  both[6] = 7;
  EXPECT_TRUE(agree(trial.changes[1], value_of(c.model, both, c.target) - c.target.value(), tol::kF32Accumulated));
}

// Four tokens may go: after the first, the second, the third of each order.
TEST(CausalMany, TheAreaLiesBetweenTheCurvesOfBothOrders) {
  Case c(6);
  TextRunner runner(c.model, c.tokens, c.target, 64);
  const std::vector<double> scores = {9, 4, 1, 3, 2, 99};  // the first is fixed, the last is never taken out
  const Outcome area = *deletion_area(runner, c.tokens, 1, 5, scores);
  const auto kept = [&](const std::vector<size_t>& at) {
    std::vector<int32_t> out;
    out.reserve(at.size());
    for (const size_t t : at) out.push_back(c.tokens[t]);
    return value_of(c.model, out, c.target);
  };
  const double lowest = kept({0, 1, 3, 4, 5}) + kept({0, 1, 3, 5}) + kept({0, 1, 5}),
               highest = kept({0, 2, 3, 4, 5}) + kept({0, 2, 4, 5}) + kept({0, 2, 5});
  EXPECT_TRUE(agree(area.contrast, (lowest - highest) / 4, tol::kF32Accumulated));
  std::vector<double> other = scores;
  for (double& s : other) s = -s;
  EXPECT_TRUE(agree(deletion_area(runner, c.tokens, 1, 5, other)->contrast, -area.contrast, tol::kF32Accumulated));
  EXPECT_FALSE(deletion_area(runner, c.tokens, 1, 2, scores));
}

}  // namespace
}  // namespace hindscan
