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

TEST(Shapley, ApproachesTheMeanOverAllOrders) {
  const Model model = tiny_model(DType::kF64);
  const std::vector<int32_t> tokens = distinct_tokens(5);  // of these the last one stays
  const TargetReport target = explain(model, request_for(tokens)).target;
  const auto value = [&](unsigned stands) {
    std::vector<int32_t> text;
    for (size_t t = 0; t < 5; ++t) {
      if (t == 4 || (stands >> t & 1) != 0) text.push_back(tokens[t]);
    }
    return value_of(model, text, target);
  };
  std::vector<double> want(5, 0.0);
  std::vector<size_t> order{0, 1, 2, 3};
  do {
    unsigned stands = 0;
    for (const size_t t : order) {
      const double before = value(stands);
      stands |= 1U << t;
      want[t] += (value(stands) - before) / 24;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  const MethodReport got = shapley(model, tokens, "pairs=2000,by=token");
  const std::span<const double> errors = got.find("standard-error")->tokens();
  for (size_t t = 0; t < 4; ++t) {
    EXPECT_GT(errors[t], 0);
    EXPECT_LT(errors[t], 0.1 * largest(want));
  }
  EXPECT_TRUE(agree(got.scores().first(4), std::span(want).first(4), errors.first(4), tol::kSampled));
  EXPECT_EQ(got.scores()[4], 0);
  EXPECT_TRUE(agree(got.total().no_token, value(0), tol::kF64Complete));
}

class ShapleyFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ShapleyFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

TEST_P(ShapleyFamilies, AddUpWhateverTheSample) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().labels > 0 || model.arch().sizes().feature_dim > 0) GTEST_SKIP() << "judges whole texts";
  std::vector<int32_t> tokens = some_tokens();
  tokens.resize(9);
  const MethodReport got = shapley(model, tokens, "pairs=2,by=token");
  ASSERT_TRUE(got.total().completeness);
  EXPECT_TRUE(agree(got.total().sum + got.total().no_token, got.total().completeness->target, tol::kF64Complete));
  EXPECT_GT(largest(got.scores()), 0);
}

TEST(Shapley, TokensOfAWordShareWhatItAdds) {
  const Model model = Model::load(default_model_directory());
  ExplainRequest r = request_for(model.tokenizer().encode("The stranger sleepwalked unhappily and"));
  r.methods = parse_methods("shapley:pairs=2,by=word");
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
  r.methods = parse_methods("shapley:pairs=3,by=token");
  EXPECT_EQ(shapley_tokens(model, r, 10, r.methods[0]), 2 * 3 * 11 * (1 + 10 / 2.0));
  const ExplainEstimate e = estimate_explain(model, r);
  ASSERT_EQ(e.parts.size(), 2u);
  EXPECT_GT(e.parts[1], 0);
  r.mem_limit = 1000;
  EXPECT_THROW(explain(model, r), Error);
}

}  // namespace
}  // namespace hindscan
