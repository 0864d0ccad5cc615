// Every architecture under the half rule: it adds up to the target, and where attention is to have a share, what is
// missing is what the softmax does not hand on.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/target.h"

namespace hindscan {
namespace {

class HalfFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, HalfFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

MethodReport by(const Model& model, ExplainRequest r, const char* method) {
  r.methods = parse_methods(method);
  return explain(model, r).methods[0];
}

void expect_complete(const ScoreArray& scores, const Tolerance& bar, const char* what) {
  ASSERT_TRUE(scores.completeness) << what;
  const auto [target, residual] = *scores.completeness;
  EXPECT_GT(std::abs(target), 1e-3) << what;
  EXPECT_TRUE(agree(scores.sum + scores.state + scores.no_token, target, bar)) << what;
  EXPECT_TRUE(agree(target - residual, target, bar)) << what;
}

TEST_P(HalfFamilies, AddsUpToTheTarget) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest all = request_of(model, 2000);
  expect_complete(by(model, all, "half").total(), tol::kF64Absolute, "whole");
  expect_complete(by(model, request_of(model, 7), "half").total(), tol::kF64Absolute, "in chunks");
  expect_complete(by(random_model(config_of(GetParam()), DType::kF32), all, "half").total(), tol::kF32Complete,
                  "in float");
  if (model.arch().sizes().labels > 0 || all.tokens.empty()) return;  // judges whole texts
  const SequenceState state = state_after(model, std::span(all.tokens).first(9));
  ExplainRequest tail = request_for({all.tokens.begin() + 9, all.tokens.end()}, 5);
  tail.state_in = &state;
  const ScoreArray part = by(model, tail, "half").total();
  EXPECT_NE(part.state, 0);
  expect_complete(part, tol::kF64Absolute, "after a state");
}

// sum over v of <v, adjoint of v>
double held(Ctx& ctx, Var v) {
  double sum = 0;
  for (int64_t i = 0; i < ctx.rows(v) * ctx.cols(v); ++i) sum += ctx.data<double>(v)[i] * ctx.grad<double>(v)[i];
  return sum;
}

// What attention takes of the target and does not hand on, in one pass over the text.
double lost_in_attention(const Model& model, const ExplainRequest& r, const TargetReport& target, bool* attention) {
  Recorded pass(model, r);
  Ctx& ctx = pass.ctx;
  const std::vector<double> seed = target_seed(model, target, true);
  std::copy(seed.begin(), seed.end(),
            ctx.grad<double>(pass.h) + (ctx.rows(pass.h) - 1) * static_cast<int64_t>(seed.size()));
  ctx.backward(half_attnlrp_rules());
  double lost = 0;
  for (const OpNode& node : ctx.nodes()) {
    if (node.role != Role::kAttention) continue;
    *attention = true;
    lost += held(ctx, node.out);
    for (Var v : node.in) lost -= held(ctx, v);
  }
  return lost;
}

TEST_P(HalfFamilies, AShareForAttentionLeavesAGapThatIsNamed) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = parse_methods("half,half-attnlrp");
  const ExplainReport report = explain(model, r);
  const MethodReport &half = report.methods[0], &shared = report.methods[1];
  bool attention = false;
  const double lost = lost_in_attention(model, r, report.target, &attention);
  const ScoreArray& scores = shared.total();
  EXPECT_EQ(scores.completeness.has_value(), !attention) << "with attention it is no decomposition";
  const double gap = shared.details.find("gap")->as_double();
  EXPECT_TRUE(agree(report.target.value() - scores.sum - scores.state - scores.no_token, gap, tol::kF64Absolute));
  EXPECT_TRUE(agree(gap, lost, tol::kF64Absolute));
  if (!attention) {
    EXPECT_EQ(shared.label, "the same as half: this model has no attention");
    EXPECT_TRUE(std::ranges::equal(scores.tokens(), half.scores()));
    return;
  }
  EXPECT_GT(std::abs(gap), 1e-6);
  EXPECT_NE(shared.label.find(fmt::format("{:.4g} of the target {:.4g} is in no score", gap, report.target.value())),
            std::string::npos)
      << shared.label;
  EXPECT_FALSE(std::ranges::equal(scores.tokens(), half.scores()));
}

}  // namespace
}  // namespace hindscan
