#include "eval/accuracy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "eval/causal_words.h"

namespace hindscan {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Tokens with two edits each, or the last one with one.
TextEdits text_of(const std::vector<double>& predicted, const std::vector<double>& measured) {
  TextEdits out;
  for (size_t i = 0; i < measured.size(); ++i)
    out.edits.push_back({static_cast<int64_t>(i / 2), predicted[i], measured[i], measured[i]});
  for (size_t i = 0; i < measured.size(); i += 2) {
    const size_t last = std::min(i + 1, measured.size() - 1);
    out.sizes.push_back(std::abs(predicted[i] + predicted[last]) / 2);
    out.effects.push_back((std::abs(measured[i]) + std::abs(measured[last])) / 2);
    out.distances.push_back(static_cast<double>(measured.size() - i));
  }
  return out;
}

std::optional<double> figure(const std::vector<TextFigures>& texts, const char* name) {
  return accuracy_of(texts)[figure_index(name)].value;
}

void expect_figure(const std::vector<TextFigures>& texts, const char* name, double want) {
  const std::optional<double> got = figure(texts, name);
  ASSERT_TRUE(got) << name;
  EXPECT_TRUE(agree(*got, want, tol::kF64Absolute)) << name;
}

// measured 4 0 | -2 0.3, predicted 3 1 | -1 -1: errors 1 1 1 1.69, squares 16 0 4 0.09.
TEST(CausalAccuracy, FiguresAreThoseComputedByHand) {
  const std::vector<TextFigures> one = {figures_of(text_of({3, 1, -1, -1}, {4, 0, -2, 0.3}))};
  expect_figure(one, "skill", 1 - 4.69 / 20.09);
  expect_figure(one, "slope", 13.7 / 12);  // 12 + 0 + 2 - 0.3
  expect_figure(one, "cosine", 13.7 / std::sqrt(12 * 20.09));
  expect_figure(one, "r2", 1 - (4.69 - 4 * 0.075 * 0.075) / (20.09 - 4 * 0.575 * 0.575));  // means 0.5 and 0.575
  expect_figure(one, "sign", 1.0);  // 4 and -2 are material, 0.3 and 0 are not
  expect_figure(one, "token_skill", 1 - (0 + 0.15 * 0.15) / (4 + 0.85 * 0.85));
  expect_figure(one, "token_sign", 1.0);
  expect_figure(one, "rank", 1.0);
  expect_figure(one, "size_rank", 1.0);          // 2 1 beside 2 1.15
  EXPECT_FALSE(figure(one, "beyond_distance"));  // of two tokens the nearer one is told by the distance
}

TEST(CausalAccuracy, TextsAddTheirSquaresAndAverageTheirRanks) {
  const std::vector<TextFigures> two = {figures_of(text_of({1, 1, 2, 2, 3, 3}, {1, 1, 2, 2, 3, 3})),
                                        figures_of(text_of({1, 1, 2, 2, 3, 3}, {-6, -6, 0, 0, -8, -8}))};
  expect_figure(two, "skill", 1 - (2 * (49 + 4 + 121.0)) / (2 * (1 + 4 + 9 + 36 + 64)));
  expect_figure(two, "rank", (1 - 0.5) / 2);
  expect_figure(two, "sign", 6.0 / 10);
}

TEST(CausalAccuracy, WhatNeverChangesHasNoFigureAndWhatAlwaysChangesAlikeNoCentredOne) {
  const std::vector<TextFigures> still = {figures_of(text_of({1, -1, 2, 2}, {0, 0, 0, 0}))};
  for (const char* name : {"skill", "token_skill", "r2", "cosine", "sign", "rank", "size_rank", "beyond_distance"})
    EXPECT_FALSE(figure(still, name)) << name;
  expect_figure(still, "slope", 0);  // it foretold something
  const std::vector<TextFigures> alike = {figures_of(text_of({1, 2, 1, 2, 1, 2}, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}))};
  EXPECT_TRUE(figure(alike, "skill"));
  EXPECT_FALSE(figure(alike, "r2"));
  EXPECT_FALSE(figure(alike, "rank"));
  const std::vector<TextFigures> silent = {figures_of(text_of({0, 0, 0, 0}, {1, -1, 2, 2}))};
  expect_figure(silent, "skill", 0);
  EXPECT_FALSE(figure(silent, "slope"));
  EXPECT_FALSE(figure(silent, "cosine"));
  expect_figure(silent, "sign", 0);  // no direction was foretold
}

TEST(CausalAccuracy, OneTokenHasNoRanks) {
  const std::vector<TextFigures> one = {figures_of(text_of({1, 2}, {1, 2}))};
  expect_figure(one, "skill", 1);
  for (const char* name : {"rank", "size_rank", "beyond_distance", "token_r2"}) EXPECT_FALSE(figure(one, name)) << name;
  EXPECT_FALSE(figure({}, "skill"));
}

TEST(CausalAccuracy, ANumberThatIsNoneLeavesNoFigureOfAnyText) {
  const TextFigures sound = figures_of(text_of({1, 1, 2, 2, 3, 3}, {1, 1, 2, 2, 3, 3}));
  for (const bool in_prediction : {true, false}) {
    for (size_t at = 0; at < 6; ++at) {
      std::vector<double> p = {1, 1, 2, 2, 3, 3}, m = p;
      (in_prediction ? p : m)[at] = kNan;
      const std::vector<TextFigures> texts = {sound, figures_of(text_of(p, m)), sound, sound, sound, sound};
      for (const FigureInfo& info : accuracy_figures()) EXPECT_FALSE(figure(texts, info.name)) << info.name << at;
    }
  }
  EXPECT_FALSE(mean_figure(std::vector<FileFigure>{{1.0, 0}, {kNan, 0}}).value);
}

TEST(CausalAccuracy, APerfectPredictorScoresOneEverywhereAndAPermutedOneAboutNothing) {
  std::vector<TextFigures> perfect, permuted;
  for (uint64_t t = 0; t < 60; ++t) {
    Rng rng(t, "planted");
    std::vector<double> m, p;
    for (int i = 0; i < 40; ++i) m.push_back(std::exp(rng.normal()) * (rng.uniform() < 0.5 ? -1 : 1));
    perfect.push_back(figures_of(text_of(m, m)));
    TextEdits same = text_of(m, m);
    same.sizes = same.effects;
    perfect.back() = figures_of(same);
    p = m;
    for (size_t i = p.size(); i > 1; --i) std::swap(p[i - 1], p[rng.below(i)]);
    permuted.push_back(figures_of(text_of(p, m)));
  }
  const std::vector<Figure> one = accuracy_of(perfect), none = accuracy_of(permuted);
  for (size_t i = 0; i < one.size(); ++i) {
    const FigureInfo& info = accuracy_figures()[i];
    ASSERT_TRUE(one[i].value && one[i].interval) << info.name;
    EXPECT_TRUE(agree(*one[i].value, 1.0, tol::kF64Absolute)) << info.name;
    EXPECT_TRUE(agree(one[i].interval->low, 1.0, tol::kF64Absolute)) << info.name;
    const std::string name = info.name;
    const double chance = name.ends_with("sign") ? 0.5 : name.ends_with("skill") || name.ends_with("r2") ? -1 : 0;
    ASSERT_TRUE(none[i].interval) << name;
    EXPECT_TRUE(*none[i].value > chance - 0.2 && *none[i].value < chance + 0.2) << name;
    EXPECT_LT(none[i].interval->low, *none[i].value) << name;
    EXPECT_GT(none[i].interval->high, *none[i].value) << name;
  }
}

TEST(CausalAccuracy, ScoresWithoutADirectionHaveFiguresOfSizeAlone) {
  TextEdits text = text_of({1, 1, 2, 2, 3, 3, 4, 4}, {-1, -1, 2, 2, -3, -3, 9, 9});
  text.edits.clear();
  text.distances = {1, 3, 2, 4};
  const std::vector<TextFigures> texts = {figures_of(text)};
  for (const FigureInfo& info : accuracy_figures())
    EXPECT_EQ(figure(texts, info.name).has_value(), !info.signed_scores) << info.name;
  text.effects = {1, 2, 4, 3};
  expect_figure({figures_of(text)}, "size_rank", 0.8);
  // Ranks 1 2 3 4 | 1 2 4 3 | 1 3 2 4: correlations 0.8, 0.8 and 0.4.
  expect_figure({figures_of(text)}, "beyond_distance", (0.8 - 0.8 * 0.4) / std::sqrt((1 - 0.64) * (1 - 0.16)));
}

TEST(CausalAccuracy, IntervalsAreOverTexts) {
  std::vector<TextFigures> texts;
  for (uint64_t t = 0; t < 4; ++t)
    texts.push_back(figures_of(text_of({1, 1, 2, 2}, {1, 2, 3, static_cast<double>(t)})));
  EXPECT_FALSE(accuracy_of(texts)[figure_index("skill")].interval);  // of four texts
  texts.push_back(texts[0]);
  const Figure some = accuracy_of(texts)[figure_index("skill")];
  ASSERT_TRUE(some.interval);
  EXPECT_LT(some.interval->low, some.interval->high);
  for (int copies = 0; copies < 50; ++copies) texts.push_back(texts[static_cast<size_t>(copies) % 5]);
  const Figure many = accuracy_of(texts)[figure_index("skill")];
  EXPECT_LT(many.interval->high - many.interval->low, (some.interval->high - some.interval->low) / 2);
}

}  // namespace
}  // namespace hindscan
