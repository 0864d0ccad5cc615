// Explanations, matrices and scores by their types.
#include <gtest/gtest.h>

#include "api/test_support.h"
#include "base/testing/compare.h"

namespace hindscan {
namespace {

TEST(Explaining, ArraysScoresAndWordsBelongTogether) {
  const Explanation why = english().explain(kText, {.causal_edits = 0});
  EXPECT_EQ(why.target().text, " door");
  EXPECT_EQ(why.methods().size(), 6u);
  EXPECT_EQ(why.scores().method, "scan");
  EXPECT_FALSE(why.scores().completeness);
  EXPECT_NE(why.methods()[0].trust.find("12 words before the last were really run"), std::string::npos);
  const Explanation::Array& scores = why.scores("frozen");
  ASSERT_TRUE(scores.completeness);
  EXPECT_TRUE(agree(scores.sum + scores.state + scores.no_token + scores.completeness->residual, why.target().value,
                    tol::kF64Sum));
  EXPECT_EQ(&why.array("frozen", "model"), &scores);
  EXPECT_EQ(why.array("row", "mixer", true).shape, (std::vector<uint64_t>{why.layers().size(), why.tokens().size()}));
  EXPECT_EQ(code_of([&] { why.array("row", "model"); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { why.scores("guess"); }), ErrorCode::kUsage);
  const auto top = why.top(3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].text, " shut");
  EXPECT_EQ(why.top(SIZE_MAX).size(), why.top(1000).size());
  EXPECT_NE(why.sentence().find("\"shut\""), std::string::npos);
  EXPECT_NE(why.to_json().find("hindscan.explain/3"), std::string::npos);
  EXPECT_LT(why.to_json().size(), why.to_json(true).size());
  EXPECT_FALSE(why.methods()[3].agreement);
  EXPECT_EQ(english().explain(kText, {.methods = "frozen", .causal_edits = 4}).methods()[0].agreement->edits, 4);
}

TEST(Explaining, ATextAfterASessionIsExplainedAsTheTailOfTheWhole) {
  Session session(english());
  session.feed("He opened the door and went into the room,");
  const Explanation tail =
                        english().explain(" and shut the", {.methods = "frozen", .causal_edits = 0, .after = &session}),
                    whole = english().explain(kText, {.methods = "frozen", .causal_edits = 0});
  const std::span<const double> a = tail.scores().values, b = whole.scores().values;
  ASSERT_LT(a.size(), b.size());
  EXPECT_TRUE(agree(a, std::vector<double>(b.end() - std::ssize(a), b.end()), tol::kF32Scores.times(2.5)));
  EXPECT_NE(tail.scores().state, 0);
  const LanguageModel other = LanguageModel::load();
  EXPECT_EQ(code_of([&] { other.explain("a", {.after = &session}); }), ErrorCode::kUsage);
}

TEST(Explaining, AMatrixHoldsTheRowsOfTheRowMethod) {
  const Explanation why = english().explain(kText, {.methods = "row", .causal_edits = 0});
  const auto T = static_cast<int64_t>(why.tokens().size());
  const Matrix m = english().matrix(kText, {.layer = 2, .rows = std::pair{T - 1, T}});
  ASSERT_EQ(m.rows, 1);
  ASSERT_EQ(m.cols, T);
  const Explanation::Array& rows = why.array("row", "core", true);
  const std::vector<double> row(rows.layers.begin() + 2 * T, rows.layers.begin() + 3 * T);
  EXPECT_TRUE(agree(m.values, row, tol::kF32Scores));
  EXPECT_EQ(english().matrix(kText, {.blocks = 3}).edges.size(), 4u);
}

TEST(Scoring, HasAnIntervalAroundThePerplexity) {
  const Score score = english().score(kText);
  EXPECT_EQ(score.log_probs.size() + 1, english().encode(kText).size());
  ASSERT_TRUE(score.perplexity_interval);
  EXPECT_LT(score.perplexity_interval->low, score.perplexity);
  EXPECT_GT(score.perplexity_interval->high, score.perplexity);
  EXPECT_GT(score.bits_per_byte, 0);
}

}  // namespace
}  // namespace hindscan
