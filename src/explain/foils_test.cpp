// What is read beside the target, against explanations that ask for it.
#include "explain/foils.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "base/ranks.h"
#include "base/testing/compare.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

constexpr int64_t kT = 60;

class Foils : public ::testing::Test {
 protected:
  Foils() {
    r_ = request_for(distinct_tokens(kT));
    r_.methods = parse_methods("scan:by=token,alternatives=0");
    report_ = explain(model_, r_);
  }
  // What the target loses, of a request that differs in this.
  std::vector<double> lost(const std::function<void(ExplainRequest&)>& change) const {
    ExplainRequest r = r_;
    r.methods = parse_methods("scan:by=token,alternatives=0,window=64");  // all of them are run
    r.target_id = report_.target.id;
    change(r);
    const ExplainReport report = explain(model_, r);
    const std::span<const double> scores = report.methods[0].scores();
    return {scores.begin(), scores.end()};
  }
  Model model_ = tiny_model(DType::kF64);
  ExplainRequest r_;
  ExplainReport report_;
};

TEST_F(Foils, AreTheNextMostLikelyAnswers) {
  const TargetReport& t = report_.target;
  ASSERT_EQ(t.foils.size(), 5u);
  const auto logit = [&](int32_t id) {
    ExplainRequest r = r_;
    r.methods = parse_methods("frozen");
    r.target_id = id;
    return explain(model_, r).target.logit;
  };
  std::vector<std::pair<double, int32_t>> all;
  for (int32_t id = 0; id < TinyOptions().vocab; ++id) all.emplace_back(-logit(id), id);
  std::sort(all.begin(), all.end());
  std::vector<int32_t> ranks{t.id, *t.contrast_id}, expected;
  ranks.insert(ranks.end(), t.foils.begin(), t.foils.end());
  for (size_t i = 0; i < 7; ++i) expected.push_back(all[i].second);
  EXPECT_EQ(ranks, expected);
}

TEST_F(Foils, WhatWasRunIsWhatTheirOwnExplanationsSay) {
  const std::vector<double> shown = lost([](ExplainRequest&) {}),
                            log_p = lost([](ExplainRequest&r) { r.measure = "log-p"; });
  const Json& details = report_.methods[0].details;
  const auto& run = details.find("log_p")->find("run")->items();
  ASSERT_GT(run.size(), 20u);
  ASSERT_LT(run.size(), static_cast<size_t>(kT - 1)) << "some are estimates";
  std::vector<double> target, others;
  for (const Json& one : run) {
    const auto t = static_cast<size_t>(one.find("token")->as_int());
    EXPECT_TRUE(agree(one.find("lost")->as_double(), shown[t], tol::kF64Absolute)) << t;
    EXPECT_TRUE(agree(one.find("log_p")->as_double(), log_p[t], tol::kF64Absolute)) << t;
    target.push_back(shown[t]);
    others.push_back(log_p[t]);
  }
  EXPECT_TRUE(
      agree(details.find("log_p")->find("rank_correlation")->as_double(), *spearman(target, others), tol::kF64Total));
  const auto& foils = details.find("foils")->items();
  ASSERT_EQ(foils.size(), 5u);
  for (size_t k = 0; k < foils.size(); ++k) {
    const std::vector<double> against = lost([&](ExplainRequest& r) {
      r.contrast = Contrast::kId;
      r.contrast_id = report_.target.foils[k];
    });
    others.clear();
    for (const Json& one : run) others.push_back(against[static_cast<size_t>(one.find("token")->as_int())]);
    EXPECT_TRUE(agree(foils[k].find("rank_correlation")->as_double(), *spearman(target, others), tol::kF64Total)) << k;
  }
}

// A note is made of ranks by hand: three edits were run, one was not.
TEST_F(Foils, TheNoteSaysWhetherTheOrderDependsOnTheOtherAnswer) {
  TargetReport target = report_.target;
  target.foils = {5, 6};
  const std::vector<Edit> edits(4);
  const auto noted = [&](const std::vector<double>& log_p, const std::vector<double>& first,
                         const std::vector<double>& second) {
    std::vector<ScanResponse> responses(4);
    for (size_t i = 0; i < 3; ++i) {
      responses[i].change = static_cast<double>(i);
      responses[i].beside = {log_p[i], first[i], second[i]};
    }
    MethodReport report;
    add_foils(model_, target, edits, responses, report);
    return report.notes.at(0).text;
  };
  const std::string same = noted({0, 1, 2}, {0, 1, 2}, {0, 2, 5}), other = noted({0, 2, 1}, {0, 1, 2}, {2, 1, 0});
  EXPECT_NE(same.find("the 3 edits that were run have a rank correlation of 1.00 to 1.00"), std::string::npos) << same;
  EXPECT_EQ(same.find("depends on"), std::string::npos) << same;
  EXPECT_NE(same.find("alone: 1.00"), std::string::npos) << same;
  EXPECT_EQ(same.find("third answer"), std::string::npos) << same;
  EXPECT_NE(other.find("-1.00 to 1.00 with what is shown: which words matter depends on the other answer"),
            std::string::npos)
      << other;
  EXPECT_NE(other.find("alone: 0.50, so without some words a third answer gains"), std::string::npos) << other;
}

TEST_F(Foils, AreOfAContrastAlone) {
  r_.measure = "log-p";
  const ExplainReport report = explain(model_, r_);
  EXPECT_TRUE(report.target.foils.empty());
  EXPECT_EQ(to_string(report.methods[0].details).find("foils"), std::string::npos);
}

}  // namespace
}  // namespace hindscan
