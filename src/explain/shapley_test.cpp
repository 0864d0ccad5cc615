// Sampled Shapley values against all orders by hand, and what they promise of any sample.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "explain/families_test_support.h"
#include "explain/shapley_cost.h"

namespace hindscan {
namespace {

MethodReport shapley(const Model& model, const std::vector<int32_t>& tokens, const std::string& options) {
  ExplainRequest r = request_for(tokens);
  r.methods = parse_methods("shapley:" + options);
  return explain(model, r).methods[0];
}

// What the target is worth on average over all orders of the tokens before the last, by hand.
std::vector<double> over_all_orders(const Model& model, const std::vector<int32_t>& tokens, double& empty) {
  const TargetReport target = explain(model, request_for(tokens)).target;
  const size_t n = tokens.size() - 1;
  std::vector<double> values;
  for (size_t set = 0; set < size_t{1} << n; ++set) {
    std::vector<int32_t> text;
    for (size_t t = 0; t <= n; ++t) {
      if (t == n || (set >> t & 1) != 0) text.push_back(tokens[t]);
    }
    values.push_back(value_of(model, text, target));
  }
  empty = values[0];
  std::vector<double> out(n, 0.0);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  double orders = 0;
  do {
    size_t set = 0;
    for (const size_t t : order) {
      const size_t more = set | size_t{1} << t;
      out[t] += values[more] - values[set];
      set = more;
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  for (double& v : out) v /= orders;
  return out;
}

TEST(Shapley, OfAShortTextIsTheMeanOverAllOrders) {
  const Model model = tiny_model(DType::kF64);
  const std::vector<int32_t> tokens = distinct_tokens(6);
  double empty = 0;
  const std::vector<double> want = over_all_orders(model, tokens, empty);
  const MethodReport got = shapley(model, tokens, "pairs=8,by=token");
  EXPECT_TRUE(agree(got.scores().first(5), want, tol::kF64Complete));
  EXPECT_EQ(got.scores()[5], 0);
  EXPECT_TRUE(agree(got.total().no_token, empty, tol::kF64Complete));
  EXPECT_EQ(got.find("standard-error"), nullptr) << "nothing was left to chance";
  EXPECT_EQ(got.label, "");
}

// Of eight tokens there are more sets than eight pairs of orders have texts.
TEST(Shapley, SampledOrdersComeWithinTheirStandardErrors) {
  const Model model = tiny_model(DType::kF64);
  const std::vector<int32_t> tokens = distinct_tokens(9);
  double empty = 0;
  const std::vector<double> want = over_all_orders(model, tokens, empty);
  const MethodReport got = shapley(model, tokens, "pairs=8,by=token");
  const ScoreArray* errors = got.find("standard-error");
  ASSERT_NE(errors, nullptr);
  for (size_t t = 0; t < want.size(); ++t) EXPECT_GT(errors->tokens()[t], 0) << t;
  EXPECT_TRUE(agree(got.scores().first(8), want, errors->tokens().first(8), tol::kSampled));
  EXPECT_NE(got.label.find("16 orders"), std::string::npos) << got.label;
}

class ShapleyFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ShapleyFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

TEST_P(ShapleyFamilies, AddUpWhateverTheSample) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().labels > 0 || model.arch().sizes().feature_dim > 0) GTEST_SKIP() << "judges whole texts";
  std::vector<int32_t> tokens = some_tokens();
  tokens.resize(9);
  const MethodReport got = shapley(model, tokens, "pairs=8,by=token");
  ASSERT_TRUE(got.total().completeness);
  EXPECT_TRUE(agree(got.total().sum + got.total().no_token, got.total().completeness->target, tol::kF64Complete));
  EXPECT_GT(largest(got.scores()), 0);
}

TEST(Shapley, TokensOfAWordShareWhatItAdds) {
  const Model model = Model::load(default_model_directory());
  ExplainRequest r = request_for(model.tokenizer().encode("The stranger sleepwalked unhappily and"));
  r.methods = parse_methods("shapley:pairs=8,by=word");
  const MethodReport got = explain(model, r).methods[0];
  const std::vector<Edit> words = shapley_pieces(model, r, explain(model, r).target, PieceBy::kWord);
  ASSERT_LT(words.size() + 1, r.tokens.size());
  for (const Edit& w : words) {
    for (int64_t t = w.position + 1; t < w.end(); ++t)
      EXPECT_EQ(got.scores()[static_cast<size_t>(t)], got.scores()[static_cast<size_t>(w.position)]);
  }
  EXPECT_EQ(got.edited, "word");
}

TEST(Shapley, OfOneWordItIsWhatTheTextLosesWithoutIt) {
  const Model model = tiny_model(DType::kF64);
  const MethodReport got = shapley(model, distinct_tokens(2), "by=token");
  EXPECT_TRUE(agree(got.scores()[0], got.total().completeness->target - got.total().no_token, tol::kF64Complete));
  ExplainRequest r = request_for(distinct_tokens(1));
  r.methods = parse_methods("shapley:by=token");
  refused(r, "found none");
}

// As many texts as orders have places, of half the text on average; and they fit what is allowed.
TEST(Shapley, SaysBeforeWhatItTakes) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(11));
  r.methods = parse_methods("shapley:pairs=9,by=token");
  EXPECT_EQ(shapley_tokens(model, r, 10, r.methods[0]), 2 * 9 * 11 * (1 + 10 / 2.0));
  const ExplainEstimate e = estimate_explain(model, r);
  ASSERT_EQ(e.parts.size(), 2u);
  EXPECT_GT(e.parts[1], 0);
  r.mem_limit = 1000;
  EXPECT_THROW(explain(model, r), Error);
}

}  // namespace
}  // namespace hindscan
