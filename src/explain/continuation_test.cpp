// An answer of several tokens: its places one by one, each a target that other tests know.
#include "explain/continuation.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/counterfactual_scan.h"
#include "explain/families_test_support.h"
#include "explain/run_edits.h"
#include "explain/scan_check.h"

namespace hindscan {
namespace {

constexpr int64_t kAnswer = 3;

class Continuations : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const ArchitectureSizes& sizes = model_.arch().sizes();
    ASSERT_TRUE(sizes.labels == 0 && sizes.feature_dim == 0);
  }
  ExplainRequest request(const std::string& methods, int64_t chunk = 2000) const {
    ExplainRequest r = request_of(model_, chunk);
    r.methods = parse_methods(methods);
    r.answer = kAnswer;
    r.measure = "log-p";
    return r;
  }
  // A place of the answer as a target of its own.
  ExplainRequest place(const std::string& methods, int64_t p) const {
    ExplainRequest r = request(methods);
    r.answer = 0;
    r.target = std::ssize(r.tokens) - 1 - kAnswer + p;
    r.target_id = r.tokens[static_cast<size_t>(r.target + 1)];
    return r;
  }
  std::vector<Edit> edits(const ExplainRequest& r) const {
    std::vector<Edit> out;
    for (int64_t t = 0; t + kAnswer < std::ssize(r.tokens); ++t) {
      if (t + kAnswer + 1 < std::ssize(r.tokens)) out.push_back({EditKind::kRemove, t, 0});
      out.push_back({EditKind::kReplace, t, (r.tokens[static_cast<size_t>(t)] + 7) % static_cast<int32_t>(kVocab)});
    }
    return out;
  }
  // What the edits do, place by place.
  std::vector<double> truth(const std::vector<Edit>& edits) const {
    std::vector<double> out(edits.size());
    for (int64_t p = 0; p < kAnswer; ++p) {
      const ExplainRequest r = place("frozen", p);
      const std::vector<double> some = run_edits(model_, r, explain(model_, r).target, edits);
      for (size_t i = 0; i < out.size(); ++i) out[i] += some[i];
    }
    return out;
  }
  // By windows that meet the answer, in the scan's own walk.
  std::vector<double> scan(const ExplainRequest& r, const std::vector<Edit>& edits) const {
    const TargetReport target = explain(model_, r).target;
    std::vector<double> out;
    for (const ScanResponse& s : scan_edits(model_, r, target, edits, {target.first() - 1, 0})) {
      EXPECT_TRUE(s.exact);
      out.push_back(s.change);
    }
    return out;
  }
  Model model_ = random_model(config_of(GetParam()), DType::kF64);
};
INSTANTIATE_TEST_SUITE_P(All, Continuations, ::testing::ValuesIn(cases_with_a_window()),
                         [](const auto& name) { return name.param; });

TEST_P(Continuations, AreTheSumOfTheirPlaces) {
  constexpr const char* kMethods = "gradient-x-input,row-logit";
  const ExplainReport whole = explain(model_, request(kMethods));
  std::vector<std::vector<double>> sums(2, std::vector<double>(static_cast<size_t>(kTokens)));
  double value = 0, log_p = 0;
  for (int64_t p = 0; p < kAnswer; ++p) {
    const ExplainReport one = explain(model_, place(kMethods, p));
    value += one.target.value();
    log_p += std::log(one.target.probability);
    for (size_t m = 0; m < sums.size(); ++m) {
      for (size_t t = 0; t < sums[m].size(); ++t) sums[m][t] += one.methods[m].scores()[t];
    }
  }
  EXPECT_TRUE(agree(whole.target.value(), value, tol::kF64Total));
  EXPECT_TRUE(agree(std::log(whole.target.probability), log_p, tol::kF64Total));
  EXPECT_TRUE(agree(whole.methods[0].scores(), sums[0], tol::kF64SplitScores));
  EXPECT_TRUE(agree(whole.methods[1].scores(), sums[1], tol::kF32Widened));  // means of layers, which are kept in float
}

TEST_P(Continuations, AddUpWhereTheirMethodSaysSo) {
  for (const MethodReport& m : explain(model_, request("frozen,half")).methods) {
    ASSERT_TRUE(m.total().completeness);
    EXPECT_TRUE(
        agree(m.total().completeness->target, m.total().sum + m.total().state + m.total().no_token, tol::kF64Total))
        << m.name;
  }
}

TEST_P(Continuations, MayLieAcrossChunks) {
  const std::string methods = "gradient-x-input,row-logit,frozen,integrated-gradients:steps=3";
  const ExplainReport whole = explain(model_, request(methods)), cut = explain(model_, request(methods, 2));
  ASSERT_LT(cut.chunk, kAnswer);
  EXPECT_TRUE(agree(whole.target.value(), cut.target.value(), tol::kF64Total));
  for (size_t m = 0; m < whole.methods.size(); ++m)
    EXPECT_TRUE(agree(whole.methods[m].scores(), cut.methods[m].scores(), tol::kF64SplitScores))
        << whole.methods[m].name;
}

TEST_P(Continuations, EditsAreRunOverAllPlaces) {
  const ExplainRequest r = request("frozen");
  const std::vector<Edit> some = edits(r);
  const std::vector<double> expected = truth(some);
  EXPECT_TRUE(agree(run_edits(model_, r, explain(model_, r).target, some), expected, tol::kF64Absolute));
  EXPECT_TRUE(agree(scan(r, some), expected, tol::kF64Absolute));
}

// Near twins of tokens, as the scan's own test has them: the first order is all there is, with a tail that holds the
// answer and with one that does not.
TEST_P(Continuations, AreTheDerivativeWhereLittleChanges) {
  Weight* table = nullptr;
  for (size_t i = 0; i < model_.weights().size() && table == nullptr; ++i) {
    Weight& w = model_.weights()[i];
    if (w.shape.size() == 2 && w.shape[0] == kVocab) table = &w;
  }
  ASSERT_NE(table, nullptr);
  const int64_t half = kVocab / 2, C = table->cols();
  auto* rows = static_cast<double*>(table->data);
  Rng rng(6, "twins");
  for (int64_t i = 0; i < half * C; ++i) rows[half * C + i] = rows[i] + 1e-5 * rng.normal();
  ExplainRequest r = request("frozen");
  std::vector<Edit> twins;
  for (int64_t t = 0; t < kTokens; ++t) {
    int32_t& token = r.tokens[static_cast<size_t>(t)];
    token %= static_cast<int32_t>(half);
    if (t + kAnswer < kTokens) twins.push_back({EditKind::kReplace, t, token + static_cast<int32_t>(half)});
  }
  const std::vector<double> run = run_edits(model_, r, explain(model_, r).target, twins);
  for (const ScanReach reach : {ScanReach{2, 0}, ScanReach{1, 3}, ScanReach{2, 7}}) {
    r.mem_limit = reach.window == 2 ? 0 : 1;
    ExplainRequest unlimited = r;
    unlimited.mem_limit = 0;
    const TargetReport target = explain(model_, unlimited).target;
    std::vector<double> changes;
    for (const ScanResponse& s : scan_edits(model_, r, target, twins, reach)) changes.push_back(s.change);
    EXPECT_TRUE(agree(changes, run, tol::kSmallChange)) << reach.window << " " << reach.tail;
  }
}

TEST_P(Continuations, ScansTakeOutWhatStandsBefore) {
  const ExplainReport report = explain(model_, request("scan:by=token,alternatives=0"));
  const MethodReport& m = report.methods[0];
  std::vector<Edit> some;
  for (int64_t t = 0; t < report.target.first(); ++t) some.push_back({EditKind::kRemove, t, 0});
  std::vector<double> lost = truth(some);
  for (double& l : lost) l = -l;
  EXPECT_TRUE(agree(m.scores().first(some.size()), lost, tol::kF64Absolute));
  for (int64_t t = report.target.first(); t < kTokens; ++t)
    EXPECT_EQ(m.found[static_cast<size_t>(t)], Found::kNotAsked) << t;
}

TEST(Continuation, OfTheModelsOwnIsTheMostLikelyTokenEachTime) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(7));
  set_own_continuation(model, 4, r);
  ASSERT_EQ(r.answer, 4);
  ASSERT_EQ(std::ssize(r.tokens), 11);
  for (size_t t = 7; t < r.tokens.size(); ++t) {
    ExplainRequest one = request_for({r.tokens.begin(), r.tokens.begin() + static_cast<int64_t>(t)});
    one.methods = parse_methods("frozen");
    EXPECT_EQ(explain(model, one).target.id, r.tokens[t]) << t;
  }
}

TEST(Continuation, WhatItCannotBeIsRefused) {
  ExplainRequest r = request_for(distinct_tokens(8));
  r.methods = parse_methods("frozen");
  r.answer = 3;
  refused(r, "log-p");
  r.measure = "log-p";
  EXPECT_NO_THROW(explain(tiny_model(DType::kF64), r));
  for (const int64_t answer : {int64_t{-1}, int64_t{8}, int64_t{257}}) {
    ExplainRequest other = r;
    other.answer = answer;
    refused(other, "answer of");
  }
  ExplainRequest other = r;
  other.target_id = 3;
  refused(other, "no other target");
  other = r;
  other.target = 4;
  refused(other, "no other target");
  other = r;
  other.hops = 2;
  refused(other, "hops");
  other = r;
  other.methods = parse_methods("row");
  refused(other, "single place");
  other.methods = parse_methods("usual");
  const ExplainReport usual = explain(tiny_model(DType::kF64), other);
  for (const MethodReport& m : usual.methods) EXPECT_TRUE(m.targeted) << m.name;
  EXPECT_GT(usual.methods.size(), 1u);
}

}  // namespace
}  // namespace hindscan
