#include "explain/target_measure.h"

#include <gtest/gtest.h>

#include "explain/target.h"
#include "explain/target_text.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

std::vector<double> logits_after(const Model& model, const std::vector<int32_t>& tokens) {
  const Recorded pass(model, tokens);
  ExplainRequest r = request_for(tokens);
  r.methods = parse_methods("rollout");
  r.contrast = Contrast::kNone;
  std::vector<double> out;
  for (int32_t v = 0; v < 160; ++v) {
    r.target_id = v;
    const int64_t C = pass.ctx.cols(pass.h);
    const std::span<const double> h(pass.ctx.data<double>(pass.h) + (std::ssize(tokens) - 1) * C,
                                    static_cast<size_t>(C));
    out.push_back(choose_target<double>(model, r, std::ssize(tokens) - 1, h).logit);
  }
  return out;
}

// The four by their definitions, of tokens 3 and 9 (against 5 and 7).
double defined(const std::string& measure, const std::vector<double>& logits) {
  double all = 0, entropy = 0;
  for (const double l : logits) all += std::exp(l);
  for (const double l : logits) entropy -= std::exp(l) / all * std::log2(std::exp(l) / all);
  const double own = std::exp(logits[3]) + std::exp(logits[9]), against = std::exp(logits[5]) + std::exp(logits[7]);
  if (measure == "logit") return std::log(own) - std::log(against);
  if (measure == "log-p") return std::log(own / all);
  return measure == "probability" ? own / all : entropy;
}

ExplainRequest measured(const std::string& measure, const std::vector<int32_t>& tokens) {
  ExplainRequest r = request_for(tokens);
  r.measure = measure;
  if (measure == "entropy") return r;
  r.target_id = 3;
  r.target_also = {9};
  if (measure != "logit") return r;
  r.contrast = Contrast::kId;
  r.contrast_id = 5;
  r.contrast_also = {7};
  return r;
}

class Measures : public testing::TestWithParam<TargetMeasure> {
 protected:
  Model model_ = tiny_model(DType::kF64);
  std::vector<int32_t> tokens_ = distinct_tokens(14);
};

TEST_P(Measures, IsItsDefinition) {
  ExplainRequest r = measured(GetParam().name, tokens_);
  r.methods = parse_methods("rollout");
  const TargetReport target = explain(model_, r).target;
  const std::vector<double> logits = logits_after(model_, tokens_);
  EXPECT_TRUE(agree(target.value(), defined(r.measure, logits), tol::kF64Absolute));
  if (!GetParam().names) return;
  EXPECT_TRUE(agree(target.probability, defined("probability", logits), tol::kF64Absolute));
}

TEST_P(Measures, SeedIsItsDerivative) {
  ExplainRequest r = measured(GetParam().name, tokens_);
  r.methods = parse_methods("rollout");
  const TargetReport target = explain(model_, r).target;
  const Recorded pass(model_, tokens_);
  const auto C = static_cast<size_t>(pass.ctx.cols(pass.h));
  const double* row = pass.ctx.data<double>(pass.h) + (tokens_.size() - 1) * C;
  std::vector<double> h(row, row + C), slopes;
  for (double& x : h) {
    constexpr double kStep = 1e-5;
    const double middle = x;
    x = middle + kStep;
    const double above = target_value(model_, target, h);
    x = middle - kStep;
    slopes.push_back((above - target_value(model_, target, h)) / (2 * kStep));
    x = middle;
  }
  EXPECT_TRUE(agree(target_seed(model_, target), slopes, tol::kF64Absolute.times(1e4)));
  EXPECT_GT(largest_size(slopes), 1e-3);
}

TEST_P(Measures, DecompositionsAddUpToIt) {
  ExplainRequest r = measured(GetParam().name, tokens_);
  r.methods = parse_methods("frozen,half");
  const ExplainReport report = explain(model_, r);
  for (const MethodReport& m : report.methods) {
    const ScoreArray& a = m.total();
    EXPECT_TRUE(agree(a.completeness->target, report.target.value(), tol::kF64Absolute));
    EXPECT_TRUE(agree(a.sum + a.state + a.no_token, report.target.value(), tol::kF64Absolute));
  }
}

TEST_P(Measures, TheScanRunsItsEditsOnIt) {
  ExplainRequest r = measured(GetParam().name, tokens_);
  r.methods = parse_methods("scan:alternatives=0");
  const ExplainReport report = explain(model_, r);
  for (const int64_t t : {0, 6, 12}) {
    std::vector<int32_t> without = tokens_;
    without.erase(without.begin() + t);
    const double lost = report.target.value() - defined(r.measure, logits_after(model_, without));
    EXPECT_TRUE(agree(report.methods[0].scores()[static_cast<size_t>(t)], lost, tol::kF64Absolute)) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Measures, testing::ValuesIn(target_measures().begin(), target_measures().end()),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(TargetMeasure, WhatWouldChangeNothingIsRefused) {
  ExplainRequest r = request_for(distinct_tokens(5));
  r.measure = "surprise";
  refused(r, "log-p");
  r.measure = "log-p";
  r.contrast = Contrast::kId;
  refused(r, "no contrast");
  r.contrast = Contrast::kAuto;
  r.measure = "entropy";
  r.target_id = 4;
  refused(r, "no target token");
  r.measure = "logit";
  r.target_also = {6, 4};
  refused(r, "twice");
  r.target_also = {200};
  refused(r, "token id");
}

TEST(TargetText, GroupsAndTheSignBetweenThem) {
  const Model model = Model::load(kBuiltInModel);
  const auto read = [&](const std::string& target, const std::string& contrast) {
    ExplainRequest r;
    set_target(model, {target, contrast}, r);
    return r;
  };
  const auto id = [&](const char* text) { return model.tokenizer().encode(text).at(0); };
  const ExplainRequest r = read(" he| his", " she");
  EXPECT_EQ(r.target_id, id(" he"));
  EXPECT_EQ(r.target_also, std::vector<int32_t>{id(" his")});
  EXPECT_EQ(r.contrast_id, id(" she"));
  EXPECT_TRUE(r.contrast_also.empty());
  EXPECT_EQ(read(",", "auto").target_id, id(","));
  EXPECT_THROW(read(" he|", "auto"), Error);
  EXPECT_THROW(read(" he| wonderfullylongword", "auto"), Error);
}

}  // namespace
}  // namespace hindscan
