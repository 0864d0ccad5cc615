// Integrated gradients over every family: they add up better with more steps, whatever the chunks, and are the gradient
// of the middle where there is one step.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/target.h"

namespace hindscan {
namespace {

class IntegratedGradients : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, IntegratedGradients, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// Embeddings with a mean: the norms of a model are steep about zero, where the way from a mean of random ones begins.
Model model_with_a_mean(const std::string& name) {
  Model model = random_model(config_of(name), DType::kF64);
  const Weight* used = embedding_table(Recorded(model, request_of(model, 2000)).ctx);
  if (used == nullptr) return model;
  Weight& table = *model.weights().find(used->name);
  for (int64_t i = 0; i < table.size(); ++i)
    static_cast<double*>(table.data)[i] += 2 * std::sin(static_cast<double>(3 * (i % table.cols())));
  return model;
}

MethodReport scores_of(const Model& model, const std::string& method, int64_t chunk) {
  ExplainRequest r = request_of(model, chunk);
  r.methods = parse_methods(method);
  return explain(model, r).methods[0];
}

TEST_P(IntegratedGradients, MoreStepsComeCloserToTheTarget) {
  const Model model = model_with_a_mean(GetParam());
  const MethodReport few = scores_of(model, "integrated-gradients:steps=4", 2000),
                     many = scores_of(model, "integrated-gradients:steps=256", 2000);
  const std::optional<Completeness>&some = few.total().completeness, &all = many.total().completeness;
  ASSERT_TRUE(some && all);
  const double way = std::abs(all->target - many.total().no_token);
  const double missed = std::abs(all->residual), missed_by_few = std::abs(some->residual);
  EXPECT_LT(missed, 0.01 * way) << "of " << way;
  EXPECT_LE(missed, missed_by_few + 1e-9);
  EXPECT_EQ(many.label, "");
  EXPECT_EQ(few.label.find("more steps come closer") != std::string::npos, missed_by_few > 0.01 * way) << few.label;
}

TEST_P(IntegratedGradients, ChunksDoNotMatter) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const MethodReport whole = scores_of(model, "integrated-gradients:steps=3", 2000),
                     chunked = scores_of(model, "integrated-gradients:steps=3", 7);
  EXPECT_TRUE(agree(whole.scores(), chunked.scores(), tol::kF64SplitScores));
  EXPECT_TRUE(agree(whole.total().no_token, chunked.total().no_token, tol::kF64Total));
}

TEST(IntegratedGradientsByHand, TheBaselineIsTheMeanOfAllEmbeddings) {
  Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(5));
  r.methods = parse_methods("integrated-gradients:steps=1");
  const ExplainReport report = explain(model, r);
  EXPECT_NE(report.methods[0].label, "") << "one step adds up, so that nothing is to be said";
  Weight& table = *model.weights().find(report.window.embedding->name);
  double* e = static_cast<double*>(table.data);
  const int64_t width = table.cols();
  ASSERT_GT(width, 0);
  for (int64_t c = 0; c < table.cols(); ++c) {
    double mean = 0;
    for (int64_t id = 0; id < table.rows(); ++id) mean += e[id * table.cols() + c] / static_cast<double>(table.rows());
    for (int64_t id = 0; id < table.rows(); ++id) e[id * table.cols() + c] = mean;
  }
  EXPECT_TRUE(agree(report.methods[0].total().no_token, value_of(model, r.tokens, report.target), tol::kF64Absolute));
}

// F(e) and F(b) by hand, and the derivative at the middle by differences along the way.
TEST(IntegratedGradientsByHand, OneStepIsTheDerivativeInTheMiddle) {
  Model model = tiny_model(DType::kF64);
  const std::vector<int32_t> tokens = distinct_tokens(5);
  ExplainRequest r = request_for(tokens);
  r.methods = parse_methods("integrated-gradients:steps=1,baseline=zero");
  const ExplainReport report = explain(model, r);
  Weight& table = *model.weights().find(report.window.embedding->name);
  double* e = static_cast<double*>(table.data);
  const int64_t width = table.cols();
  ASSERT_GT(width, 0);
  const std::vector<double> before(e, e + table.size());
  const auto value_at = [&](double along, double more, int32_t token) {  // of the whole text; one token moved further
    for (size_t i = 0; i < before.size(); ++i) {
      const bool moved = static_cast<int64_t>(i) / width == token;
      e[i] = (along + (moved ? more : 0)) * before[i];
    }
    return value_of(model, tokens, report.target);
  };
  EXPECT_TRUE(agree(report.methods[0].total().no_token, value_at(0, 0, -1), tol::kF64Absolute));
  for (size_t j = 0; j < tokens.size(); ++j) {
    const double step = 1e-5;
    const double slope = (value_at(0.5, step, tokens[j]) - value_at(0.5, -step, tokens[j])) / (2 * step);
    EXPECT_TRUE(agree(report.methods[0].scores()[j], slope, tol::kFirstOrder)) << j;
  }
}

}  // namespace
}  // namespace hindscan
