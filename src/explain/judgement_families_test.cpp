// Every architecture as a classifier: judgements of whole texts add up, with one definition of their residual.
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/matrix.h"
#include "explain/orders.h"
#include "explain/row_scan.h"
#include "explain/row_scan_test_support.h"

namespace hindscan {
namespace {

class JudgementFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, JudgementFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

TEST_P(JudgementFamilies, CaseA13TheResidualOfAPooledJudgementHasOneDefinition) {
  Config config = config_of(GetParam());
  config.set("pooling", std::string("mean"));
  config.set("num_labels", int64_t{4});
  Model model = random_model(config, DType::kF64);
  for (size_t i = 0; i < model.weights().size(); ++i) {  // a skip that lets nothing through
    Weight& w = model.weights()[i];
    if (w.name.ends_with(".D")) std::fill_n(static_cast<double*>(w.data), w.size(), 0.0);
  }
  Recorded pass(model, request_of(model, 7));
  const auto real = mixer_views<double>(pass.ctx);
  const Views<double> views = views_that_find_nothing(pass.ctx, real);
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  const Chunk<double> chunk{pass.ctx, pass.h, 0, kTokens, 0, 0, {}, {}, views, orders};
  RowScan<double> scan({kTokens, kTokens, static_cast<int64_t>(views.size()), 0});
  scan.back(chunk);
  const std::vector<double> residuals = scan.residuals();
  for (size_t l = 0; l < residuals.size(); ++l)
    EXPECT_TRUE(agree(residuals[l], 1.0, tol::kF64Absolute)) << real[l]->name().kind << " " << l;
}

TEST_P(JudgementFamilies, MatricesOfClassifiersHaveAnEstimateAboveTheDiagonalAsWell) {
  Config config = config_of(GetParam());
  config.set("pooling", std::string("mean"));
  config.set("num_labels", int64_t{4});
  const Model model = random_model(config, DType::kF32);
  const ExplainRequest r = request_of(model, 7);
  MatrixRequest q;
  q.tokens = r.tokens;
  q.layer = mixer_layer(model, r);
  for (const bool above : {false, true}) {
    if (above) q.rows = TokenRange{0, 1}, q.cols = TokenRange{2, 3};
    const double seconds = estimate_matrix(model, q).seconds;
    EXPECT_TRUE(std::isfinite(seconds) && seconds > 0) << above << ": " << seconds;
  }
}

TEST_P(JudgementFamilies, EveryTokenOfAJudgedTextMayBeTakenOut) {
  for (const char* pooling : {"mean", "last"}) {
    Config config = config_of(GetParam());
    config.set("pooling", std::string(pooling));
    config.set("num_labels", int64_t{4});
    const Model model = random_model(config, DType::kF64);
    ExplainRequest r = request_of(model, 2000);
    if (r.tokens.empty()) GTEST_SKIP() << "it reads vectors";
    r.methods = parse_methods("scan:by=token");
    const ExplainReport report = explain(model, r);
    ASSERT_EQ(report.methods[0].found, std::vector<Found>(r.tokens.size(), Found::kMeasured));
    EXPECT_EQ(report.methods[0].trust.find("before the last"), std::string::npos);
    for (const int64_t t : {int64_t{0}, std::ssize(r.tokens) - 1}) {
      std::vector<int32_t> without = r.tokens;
      without.erase(without.begin() + t);
      const double lost = report.target.value() - value_of(model, without, report.target);
      EXPECT_TRUE(agree(report.methods[0].scores()[static_cast<size_t>(t)], lost, tol::kF64Absolute)) << t;
    }
    r.tokens.resize(1);
    EXPECT_EQ(explain(model, r).methods[0].found, std::vector<Found>(1, Found::kNotAsked));
  }
}

// Classifiers of token texts and regressors of feature vectors: every token has a share in the pooled judgement.
TEST_P(JudgementFamilies, JudgementsOfWholeTextsAddUp) {
  for (const bool features : {false, true}) {
    Config config = config_of(GetParam());
    config.set("pooling", std::string(features ? "mean" : "max"));
    config.set("num_labels", int64_t{features ? 2 : 4});
    if (features) {
      config.set("problem_type", std::string("regression"));
      config.set("feature_dim", int64_t{5});
    }
    const Model model = random_model(config, DType::kF64);
    ExplainRequest r = request_of(model, 7);
    r.target_id = 1;
    const ExplainReport report = explain(model, r);
    EXPECT_EQ(report.target.kind, features ? TargetKind::kNumber : TargetKind::kClass);
    EXPECT_EQ(report.target.contrast_id.has_value(), !features);
    EXPECT_EQ(report.chunk, kTokens);
    EXPECT_EQ(report.tokens.size(), static_cast<size_t>(kTokens));
    const ExplainEstimate e = estimate_explain(model, r);
    EXPECT_TRUE(std::isfinite(e.seconds) && e.seconds > e.quadratic_seconds && e.quadratic_seconds >= 0) << e.seconds;
    const MethodReport& frozen = method_of(report, "frozen");
    const auto [target, residual] = *frozen.total().completeness;
    EXPECT_TRUE(agree(target - residual, target, tol::kF64Complete));
    EXPECT_GT(largest(frozen.scores()), 1e-9);
    EXPECT_FALSE(report.layers.empty());
    for (const LayerReport& layer : report.layers)
      EXPECT_LE(layer.max_residual, 1e-12) << layer.structure.kind << " in layer " << layer.layer;
    r.methods = parse_methods("integrated-gradients:steps=2");
    EXPECT_EQ(explain(model, r).methods[0].notes.size(), features ? 1u : 0u) << "there is no mean of vectors";
    r.methods = parse_methods("integrated-gradients:steps=2,baseline=mean");
    EXPECT_EQ(features, [&] {
      try {
        explain(model, r);
      } catch (const Error&) {
        return true;
      }
      return false;
    }());
    r.methods = parse_methods("usual");
    r.target = 3;
    EXPECT_THROW(explain(model, r), Error);
  }
}

}  // namespace
}  // namespace hindscan
