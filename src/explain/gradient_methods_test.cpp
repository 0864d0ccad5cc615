// Gradients at the text and around it, by hand and by what they promise.
#include <gtest/gtest.h>

#include "base/interval.h"
#include "explain/plausible_tokens.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

class GradientMethods : public ::testing::Test {
 protected:
  GradientMethods() : model(tiny_model(DType::kF64)), tokens(distinct_tokens(6)) {}
  ExplainReport explained(const std::string& methods, uint64_t seed = 0) const {
    ExplainRequest r = request_for(tokens);
    r.methods = parse_methods(methods);
    r.seed = seed;
    return explain(model, r);
  }
  // Of the target by each number of a token's embedding, by differences.
  std::vector<double> slopes(const ExplainReport& report, size_t token) {
    Weight& table = *model.weights().find(report.window.embedding->name);
    double* row = static_cast<double*>(table.data) + tokens[token] * table.cols();
    std::vector<double> out;
    for (int64_t c = 0; c < table.cols(); ++c) {
      constexpr double kStep = 1e-5;
      const double before = row[c];
      const auto at = [&](double more) {
        row[c] = before + more;
        return value_of(model, tokens, report.target);
      };
      out.push_back((at(kStep) - at(-kStep)) / (2 * kStep));
      row[c] = before;
    }
    return out;
  }
  Model model;
  const std::vector<int32_t> tokens;
};

TEST_F(GradientMethods, NormsAreThoseOfTheDerivatives) {
  const ExplainReport report = explained("gradient,gradient:norm=l1");
  for (size_t t = 0; t < tokens.size(); ++t) {
    const std::vector<double> g = slopes(report, t);
    double sum = 0;
    for (const double v : g) sum += std::abs(v);
    EXPECT_TRUE(agree(report.methods[0].scores()[t], compare::norm(g), tol::kFirstOrder)) << t;
    EXPECT_TRUE(agree(report.methods[1].scores()[t], sum, tol::kFirstOrder)) << t;
  }
}

// Little noise leaves little of a difference: of the order that the standard errors say.
TEST_F(GradientMethods, SmoothGradientsComeFromAroundTheText) {
  const std::string method = "smooth-gradient:samples=64,noise=1";
  const ExplainReport report = explained(method + ",gradient-x-input");
  const MethodReport &smooth = report.methods[0], &plain = report.methods[1];
  const std::span<const double> errors = smooth.find("standard-error")->tokens();
  const double top = largest(plain.scores());
  for (size_t t = 0; t < tokens.size(); ++t) {
    EXPECT_GT(errors[t], 0) << t;
    EXPECT_LT(errors[t], 0.1 * top) << t;
    EXPECT_NE(smooth.scores()[t], plain.scores()[t]) << t;
  }
  std::vector<double> units(errors.begin(), errors.end());
  for (double& u : units) u += 0.002 * top;  // what little noise bends
  EXPECT_TRUE(agree(smooth.scores(), plain.scores(), units, tol::kSampled));
  EXPECT_TRUE(agree(explained(method).methods[0].scores(), smooth.scores(), tol::kEqual));
  EXPECT_FALSE(agree(explained(method, 1).methods[0].scores(), smooth.scores(), tol::kF64Complete)) << "seeds";
  const double wide =
      largest(explained("smooth-gradient:samples=64,noise=40").methods[0].find("standard-error")->tokens());
  EXPECT_GT(wide, largest(errors)) << "more noise";
}

TEST_F(GradientMethods, ExpectedGradientsAddUpOnAverage) {
  const ExplainReport report = explained("expected-gradients:samples=400");
  const MethodReport& m = report.methods[0];
  const std::optional<Completeness>& c = m.total().completeness;
  ASSERT_TRUE(c);
  double variance = 0;  // of the sum, were the tokens independent
  for (const double e : m.find("standard-error")->tokens()) variance += e * e;
  EXPECT_TRUE(agree(c->residual, 0, std::sqrt(variance), tol::kSampled));
  Rng rng(0, "baseline");
  RunningMean at_baselines;
  for (const std::vector<int32_t>& text : plausible_texts(model, tokens, nullptr, 0, 400, rng))
    at_baselines.add(value_of(model, text, report.target));
  EXPECT_TRUE(agree(m.total().no_token, at_baselines.mean(), tol::kF64Absolute));
  EXPECT_GT(at_baselines.standard_error().value_or(0), 0) << "they differ";
}

TEST_F(GradientMethods, APlausibleBaselineIsATextThatTheModelMightHaveWritten) {
  const ExplainReport report = explained("integrated-gradients:steps=256,baseline=plausible", 3);
  const ScoreArray& scores = report.methods[0].total();
  Rng rng(3, "baseline");
  const std::vector<int32_t> other = plausible_texts(model, tokens, nullptr, 0, 1, rng)[0];
  EXPECT_TRUE(agree(scores.no_token, value_of(model, other, report.target), tol::kF64Absolute));
  EXPECT_TRUE(agree(scores.sum, scores.completeness->target - scores.no_token, tol::kManySteps));
}

TEST_F(GradientMethods, PlausibleTextsKeepWhatTheyMustAndChangeTheRest) {
  Rng rng(5);
  const auto texts = plausible_texts(model, tokens, nullptr, 2, 50, rng);
  ASSERT_EQ(texts.size(), 50u);
  for (const std::vector<int32_t>& text : texts) {
    ASSERT_EQ(text.size(), tokens.size());
    for (size_t t = 0; t < text.size(); ++t) EXPECT_EQ(text[t] == tokens[t], t < 2) << t;
  }
  EXPECT_NE(texts[0], texts[1]);
}

// Of "all" methods those are left out, and named, that a model cannot be asked for.
TEST_F(GradientMethods, VectorsHaveNoPlausibleOthers) {
  Config c = architecture_preset("mamba2", {.d_model = 16, .n_layer = 1, .vocab_size = 20});
  c.set("feature_dim", int64_t{3});
  c.set("pooling", std::string("mean"));
  c.set("num_labels", int64_t{2});
  const Model vectors = Model::create(c, DType::kF64, 1);
  ExplainRequest r;
  r.features.assign(15, 0.5f);
  for (const char* method : {"expected-gradients", "integrated-gradients:baseline=plausible", "shapley", "scan"}) {
    r.methods = parse_methods(method);
    EXPECT_THROW(explain(vectors, r), Error) << method;
  }
  r.methods = parse_methods("all");
  const ExplainReport report = explain(vectors, r);
  EXPECT_EQ(report.left_out,
            "This model or answer cannot be asked for scan, expected-gradients, leave-one-out, shapley.");
  EXPECT_EQ(report.methods.size(), method_table().size() - 4);
  r = request_for({7});
  r.methods = parse_methods("all");
  EXPECT_EQ(explain(model, r).left_out, "This model or answer cannot be asked for shapley.");
}

}  // namespace
}  // namespace hindscan
