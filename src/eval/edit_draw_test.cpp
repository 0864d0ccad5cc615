#include "eval/edit_draw.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "explain/test_support.h"

namespace hindscan {
namespace {

TEST(CausalDraw, PlausibleTokensComeAsOftenAsTheModelSays) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(6);
  const PlausibleTokens plausible(model, tokens);
  SequenceState state;
  const std::span<const int32_t> before = std::span(tokens).first(3);
  Runner runner(model);
  const std::span<const float> logits = runner.step(before, state);
  std::vector<double> p(160);
  double all = 0;
  for (size_t v = 0; v < p.size(); ++v) all += p[v] = static_cast<int32_t>(v) == tokens[3] ? 0 : std::exp(logits[v]);
  Rng rng(1, "draws");
  std::map<int32_t, double> seen;
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) ++seen[plausible.draw(3, rng)];
  EXPECT_EQ(seen.count(tokens[3]), 0u);
  double chi2 = 0;
  for (size_t v = 0; v < p.size(); ++v) {
    const double want = kDraws * p[v] / all;
    if (want > 0) chi2 += std::pow(seen[static_cast<int32_t>(v)] - want, 2) / want;
  }
  EXPECT_LT(chi2, 158 + 5 * std::sqrt(2 * 158.0));
}

TEST(CausalDraw, TheFirstTokenIsReplacedByWhatTheModelWritesElsewhere) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(6);
  const PlausibleTokens plausible(model, tokens);
  Rng rng(1, "draws");
  std::set<int32_t> seen;
  for (int i = 0; i < 300; ++i) seen.insert(plausible.draw(0, rng));
  EXPECT_EQ(seen.count(tokens[0]), 0u);
  EXPECT_GT(seen.size(), 10u);
}

TEST(CausalDraw, EditsOfATokenFollowEachOtherAndTheSameSeedDrawsTheSame) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(6);
  const auto draw = [&](uint64_t seed) {
    Rng rng(seed, "edits");
    std::vector<Edit> out = draw_plausible(PlausibleTokens(model, tokens), 1, 6, 3, rng);
    for (const Edit& e : draw_random(tokens, 160, 1, 6, 3, rng)) out.push_back(e);
    return out;
  };
  const std::vector<Edit> a = draw(1), b = draw(1), c = draw(2);
  ASSERT_EQ(a.size(), 30u);
  bool differs = false;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].position, 1 + static_cast<int64_t>(i % 15 / 3));
    EXPECT_NE(a[i].replacement, tokens[static_cast<size_t>(a[i].position)]);
    EXPECT_EQ(a[i].replacement, b[i].replacement);
    differs |= a[i].replacement != c[i].replacement;
  }
  EXPECT_TRUE(differs);
  ASSERT_EQ(removals(2, 5).size(), 3u);
  EXPECT_EQ(removals(2, 5)[2].position, 4);
}

TEST(CausalDraw, MasksHoldAShareOfDistinctTokens) {
  Rng rng(1, "masks");
  const auto masks = draw_masks(40, 4, 0.3, 50, rng);
  ASSERT_EQ(masks.size(), 50u);
  std::set<size_t> edits;
  for (const std::vector<size_t>& mask : masks) {
    EXPECT_EQ(mask.size(), 3u);
    std::set<size_t> tokens;
    for (const size_t e : mask) {
      ASSERT_LT(e, 40u);
      tokens.insert(e / 4);
      edits.insert(e);
    }
    EXPECT_EQ(tokens.size(), 3u);
  }
  EXPECT_GT(edits.size(), 35u);
  EXPECT_EQ(draw_masks(4, 4, 0.3, 2, rng)[0].size(), 1u);  // at least one
  EXPECT_TRUE(draw_masks(0, 4, 0.3, 2, rng).empty());
}

}  // namespace
}  // namespace hindscan
