#include "cli/explain_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace hindscan::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

ExplainReport report_of(const std::vector<double>& residuals) {
  ExplainReport r;
  for (int32_t t = 0; t < 3; ++t) r.tokens.push_back({t, " word", ""});
  r.target = {2, 2, " next", 3, " other", 1.5, 0.5, 0.25};
  for (const char* name : {"row", "frozen"}) {
    MethodReport m;
    m.name = name;
    m.arrays.push_back(token_array({"model", "", kTargetUnit}, {1, -2, 0.5}));
    if (m.name == "frozen") m.arrays[0].completeness = {1, 1e-7};
    r.methods.push_back(m);
  }
  for (const double x : residuals)
    r.layers.push_back({static_cast<int>(r.layers.size()),
                        {"glr.element", "recurrence with a decay for each state and channel", "", ""},
                        x,
                        0});
  return r;
}

std::string detailed(const ExplainReport& r, ExplainView view = {}) {
  view.details = true;
  return explain_text(r, view);
}

// Text without its line ends.
std::string unwrapped(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += word + " ";
  return out;
}

std::string text_of(const std::vector<double>& residuals) { return detailed(report_of(residuals)); }

TEST(ExplainOutput, SaysThatItAddsUpOnlyWhereItDoes) {
  EXPECT_THAT(text_of({1e-7, 3e-6, 2e-7}), HasSubstr("largest residual 3.0e-06 (layer 1): it adds up"));
  EXPECT_THAT(text_of({1e-7, 0.02}), HasSubstr("2.0e-02 (layer 1): it does NOT add up"));
  EXPECT_THAT(text_of({1e-7, std::nan(""), 0.02}), HasSubstr("nan (layer 1): it does NOT add up"));
  EXPECT_THAT(text_of({}), Not(HasSubstr("add up")));
}

TEST(ExplainOutput, TheMethodThatAddsUpIsShownUnlessAskedOtherwise) {
  const ExplainReport r = report_of({});
  EXPECT_EQ(shown_method(r, ""), 1u);
  EXPECT_EQ(shown_method(r, "row"), 0u);
  EXPECT_THROW(shown_method(r, "rollout"), Error);
}

TEST(ExplainOutput, SaysWhatIsCounted) {
  ExplainReport r = report_of({1e-7});
  EXPECT_THAT(detailed(r), HasSubstr("what follows token 2 of 0..2: "));
  EXPECT_THAT(detailed(r), HasSubstr("   1 layer\n"));
  EXPECT_THAT(text_of({1e-7, 1e-7}), HasSubstr("   2 layers\n"));
  r.target.position = 1;
  EXPECT_THAT(detailed(r), HasSubstr("... 1 token after the target plays no part\n"));
  CausalReport& causal = r.methods[1].causal.emplace();
  causal.edits = 1, causal.first = 0, causal.last = 1;
  EXPECT_THAT(detailed(r), HasSubstr("causal  1 edit of token 0 (not of the last one: the prediction is read"));
  causal.edits = 6, causal.last = 2;
  EXPECT_THAT(detailed(r), HasSubstr("causal  6 edits of tokens 0..1 (not of the last one: "));
}

// Weights of a row know no target: nothing of them raises or lowers it.
TEST(ExplainOutput, WeightsAreNotSaidToRaiseTheTarget) {
  ExplainReport r = report_of({1e-7});
  EXPECT_THAT(detailed(r), HasSubstr("raise the target"));
  r.methods[0].targeted = false;
  r.methods[0].arrays.push_back(layer_array({"model", "", kWeightUnit, {}, "what a layer reads"}, {1, 2, 3}, 3));
  for (const ColorDepth depth : {ColorDepth::kNone, ColorDepth::kTrue}) {
    const std::string text = detailed(r, {{depth, true, 80}, "row"});
    EXPECT_THAT(text, Not(HasSubstr("raise")));
    EXPECT_THAT(text, HasSubstr("positive weights"));
    EXPECT_THAT(text, HasSubstr("every line on its own scale: what a layer reads"));
  }
}

TEST(ExplainOutput, SaysWhereARankCorrelationHasNoInterval) {
  ExplainReport r = report_of({1e-7});
  CausalReport& causal = r.methods[1].causal.emplace();
  causal.edits = 6, causal.last = 2, causal.spearman = 0.5, causal.spearman_interval = Interval{0, 1};
  EXPECT_THAT(unwrapped(detailed(r)), Not(HasSubstr("too few tokens")));
  causal.spearman_interval.reset();
  EXPECT_THAT(unwrapped(detailed(r)), HasSubstr("one text (too few tokens for one of a rank correlation); "));
}

TEST(ExplainOutput, SentencesAreWrittenOutWhole) {
  ExplainReport r = report_of({});
  r.tokens.clear();
  for (const char* t : {"It", " was", " a", " night", " darker", " than", " any", " that", " we", " had", " seen", "."})
    r.tokens.push_back({1, t, ""});
  r.target.position = std::ssize(r.tokens) - 1;
  r.methods[1].arrays[0].values = std::vector<double>(r.tokens.size(), 1.0);
  ExplainView view;
  view.by = PieceBy::kSentence;
  EXPECT_THAT(detailed(r, view),
              HasSubstr("It was a night darker than any that we had seen.[ next]\n" + std::string(48, '@') + "\n"));
}

// What the target is compared with stands below it, where its words begin.
TEST(ExplainOutput, TheOtherAnswerStandsBelowTheTarget) {
  EXPECT_THAT(text_of({1e-7}), HasSubstr("\" next\"  p=0.250\n        rather than \" other\": logits 1.500 - 0.500"));
}

// Remarks stand below the table, in words, and nothing below it is wider.
TEST(ExplainOutput, RemarksStayInTheWidthOfTheTable) {
  ExplainReport r = report_of({1e-7, 1e-7});
  r.methods[1].label =
      "a remark that is so long that it would make the line of its method far longer than the table is";
  for (const char* path : {"value", "write", "decay", "read", "gate"}) r.methods[1].shares.push_back({path, 12345.678});
  r.layers[0].structure.held = "the divisor counts as a constant",
  r.layers[1].structure.held = "its gates count as constants";
  r.methods[0].notes.push_back(
      {"estimate", "of something that takes so many words that no line of the table could hold them"});
  const std::string text = detailed(r);
  EXPECT_THAT(text, HasSubstr("note    frozen: a remark"));
  EXPECT_THAT(text, HasSubstr("estimate  of something"));
  EXPECT_THAT(text, Not(HasSubstr("glr.")));
  EXPECT_THAT(text, HasSubstr("its gates count"));
  std::istringstream lines(text.substr(text.find("\nmethod ", text.find("rank"))));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 106u) << line;
}

TEST(ExplainOutput, WhatIsHeldIsSaidOnce) {
  ExplainReport r = report_of({1e-7, 1e-7, 1e-7});
  for (LayerReport& l : r.layers) l.structure.held = "its gates count as constants";
  const std::string text = unwrapped(detailed(r));
  const size_t held = text.find("its gates count");
  ASSERT_NE(held, std::string::npos);
  EXPECT_EQ(text.find("its gates count", held + 1), std::string::npos);
}

TEST(ExplainOutput, NumbersOfAnySizeStayInTheirColumns) {
  ExplainReport r = report_of({1e-7});
  r.methods[0].arrays[0].sum = 3e29;
  r.methods[0].arrays[0].state = -2e-9;
  const std::string text = detailed(r);
  EXPECT_THAT(text, HasSubstr("  3.0e+29  -2.0e-09     0.000 "));
}

ExplainReport effects(std::vector<Found> found) {
  ExplainReport r = report_of({});
  MethodReport& m = r.methods[0];
  m.name = "scan";
  m.arrays[0].values = std::vector<double>{0.25, -2, 0};
  m.effect_of = EditKind::kRemove;
  m.edit_words = "later tokens keep their positions";
  m.found = std::move(found);
  return r;
}

TEST(ExplainOutput, EffectsOfEditsSayHowTheyWereFound) {
  const ExplainReport r = effects({Found::kMeasured, Found::kEstimated, Found::kNotAsked});
  const std::string text = detailed(r);
  EXPECT_THAT(text,
              HasSubstr("asked   each token removed, alone; later tokens keep their positions; the other answer stays "
                        "\"other\"\n"));
  EXPECT_THAT(text, HasSubstr("digits 1..9 removing it raises the preference; full scale"));
  EXPECT_THAT(text, HasSubstr("bars: .:-=+*#%@ removing it lowers the preference,"));
  EXPECT_THAT(text, HasSubstr("      lost   how\n"));
  EXPECT_THAT(text, HasSubstr("   -2.0000   estimate\n"));
  EXPECT_THAT(text, HasSubstr("    0.2500   run\n"));
  EXPECT_THAT(text, Not(HasSubstr("raise the target")));
  EXPECT_THAT(text, Not(HasSubstr("share")));
  EXPECT_THAT(text, Not(HasSubstr("sum: of")));
  EXPECT_THAT(unwrapped(text),
              HasSubstr("lost how far the preference for \"next\" over \"other\" falls: at 1.00 the one is 2.72 "
                        "times as likely as the other,"));
  EXPECT_THAT(detailed(r, {{ColorDepth::kTrue, true, 80}, ""}),
              HasSubstr("orange: removing it lowers the preference, blue: removing it raises the preference\n"));
}

// The sum over a word's tokens is not what removing the word does.
TEST(ExplainOutput, SumsOfEffectsAreCalledSums) {
  ExplainReport r = effects({Found::kMeasured, Found::kMeasured, Found::kNotAsked});
  r.tokens[1].text = "s";
  ExplainView view;
  view.by = PieceBy::kWord;
  const std::string text = detailed(r, view);
  EXPECT_THAT(text, HasSubstr("   -1.7500   sum\n"));
  EXPECT_THAT(unwrapped(text), HasSubstr("sum: of edits made one by one, and not what all of them together do"));
}

// Where words were edited as a whole, their tokens have a part each.
TEST(ExplainOutput, WordsThatWereEditedAsAWholeAreNoSums) {
  ExplainReport r = effects({Found::kMeasured, Found::kMeasured, Found::kNotAsked});
  r.tokens[1].text = "s";
  r.methods[0].edited = "word";
  r.methods[0].edited_first = {0, 0, 2};
  ExplainView view;
  EXPECT_THAT(detailed(r, view), HasSubstr("   -2.0000   part\n"));
  EXPECT_THAT(detailed(r, view), HasSubstr("without \"words\", \"next\" is 16 times as likely as \"other\"."));
  view.by = PieceBy::kWord;
  EXPECT_THAT(detailed(r, view), HasSubstr("   -1.7500   run\n"));
  EXPECT_THAT(detailed(r, view), HasSubstr("asked   each word removed, alone;"));
}

// They add up to nothing: neither sums nor shares are told.
TEST(ExplainOutput, EffectsAreNotSummed) {
  const std::string text = detailed(effects({Found::kMeasured, Found::kMeasured, Found::kNotAsked}));
  EXPECT_THAT(text, HasSubstr("\nscan                       -         -         -         -      none"));
}

TEST(ExplainOutput, WhatEditsDoIsShownFirstWhereItWasAskedOfEveryToken) {
  ExplainReport r = effects({Found::kMeasured, Found::kEstimated, Found::kNotAsked});
  EXPECT_EQ(shown_method(r, ""), 0u);
  r.methods[0].approximate = true;  // what it ran is measured all the same
  EXPECT_EQ(shown_method(r, ""), 0u);
  EXPECT_EQ(shown_method(effects({Found::kNotAsked, Found::kMeasured, Found::kNotAsked}), ""), 1u);
  r.target.position = 0;
  r.methods[0].found.assign(3, Found::kNotAsked);
  EXPECT_EQ(shown_method(r, ""), 1u);
}

}  // namespace
}  // namespace hindscan::cli
