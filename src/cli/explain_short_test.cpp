// What is seen first: no word of it needs to know what a model is made of.
#include "cli/explain_short.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace hindscan::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// The kettle: words taken out, the scores are what the preference loses. found: 'r' run, 'e' estimated, '-' not asked.
ExplainReport kettle(const std::string& found = "rrr-") {
  ExplainReport r;
  for (const char* t : {"Put", " it", " on", " the"}) r.tokens.push_back({1, t, ""});
  r.target = {3, 2, " table", 3, " floor", 2, 1, 0.25};
  MethodReport& m = r.methods.emplace_back();
  m.name = "scan";
  m.arrays.push_back(token_array({"lost", "", kTargetUnit}, {0.5, -0.01, 2, 0}));
  m.effect_of = EditKind::kRemove;
  m.edited = "word";
  m.trust = "all 3 words before the last were really run";
  for (const char f : found)
    m.found.push_back(f == 'r' ? Found::kMeasured : f == 'e' ? Found::kEstimated : Found::kNotAsked);
  return r;
}

std::string shown(const ExplainReport& r, ExplainView view = {}) {
  view.by = PieceBy::kWord;
  return explain_text(r, view);
}

TEST(ExplainShort, SaysWhatTheModelPrefersWithoutEachWordThatMatters) {
  const std::string text = shown(kettle());
  EXPECT_THAT(text, HasSubstr("Put it on the[ table]\n"
                              "---   @@@\n"));
  EXPECT_THAT(text, HasSubstr(" taken out   the model then finds\n"
                              " nothing     \"table\" 2.7 times as likely as \"floor\"\n"
                              " \"on\"        \"floor\" 2.7 times as likely as \"table\"   really run\n"
                              " \"Put\"       \"table\" 1.6 times as likely as \"floor\"   really run\n"
                              " (1 other word matters less)\n"));
  EXPECT_THAT(text, HasSubstr("checked  all 3 words before the last were really run.\n"));
  EXPECT_THAT(text,
              HasSubstr("Below a word: how far the preference for \"table\" over \"floor\" falls without it\n(from "
                        "little to much: . : - = + * # % @), or rises without it (1 to 9).\n"));
  for (const char* jargon : {"token", "logit", "residual", "skill", "scan", "layer", "model  ", "method", "target"})
    EXPECT_THAT(text, Not(HasSubstr(jargon)));
}

TEST(ExplainShort, LinesStayInTheWidthOfTheScreen) {
  ExplainView view;
  view.style.columns = 50;
  std::istringstream lines(shown(kettle(), view));
  for (std::string line; std::getline(lines, line) && !line.starts_with(" taken out");)
    EXPECT_LE(line.size(), 50u) << line;
}

TEST(ExplainShort, TheTableStaysInANarrowScreenToo) {
  ExplainView view;
  view.style.columns = 40;
  const std::string text = shown(kettle(), view);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 40u) << line;
  EXPECT_THAT(text, HasSubstr(" \"on\"\n        \"floor\" 2.7 times as likely as\n        \"table\", really run\n"));
}

TEST(ExplainShort, SaysHowPiecesAreMadeOfWhatWasTakenOut) {
  ExplainReport r = kettle();
  r.tokens[1].text = "ting";
  EXPECT_THAT(shown(r), Not(HasSubstr("added up")));
  r.methods[0].edited = "token";
  EXPECT_THAT(shown(r), HasSubstr(" Several tokens in one are added up:\neach was taken out alone.\n"));
  r.methods[0].edited = "sentence";
  r.methods[0].edited_first = {0, 0, 0, 3};
  EXPECT_THAT(shown(r), HasSubstr(" What a longer sentence does is shared\nequally.\n"));
}

TEST(ExplainShort, SaysOfWritesThatTheyWereDropped) {
  ExplainReport r = kettle();
  r.methods[0].effect_of = EditKind::kDropWrite;
  ExplainView view;
  view.style.columns = 200;
  EXPECT_THAT(shown(r, view), HasSubstr("falls without what the layers write there (from little to much: "));
  EXPECT_THAT(shown(r, view), HasSubstr(" not written   the model then finds\n"));
}

TEST(ExplainShort, NothingIsSaidOfBarsWhereThereAreNone) {
  ExplainReport r = kettle("----");
  r.methods[0].arrays[0].values = std::vector<double>{0, 0, 0, 0};
  EXPECT_THAT(shown(r), Not(HasSubstr("how far")));
}

TEST(ExplainShort, ASmallValueIsNotWrittenAsNothing) {
  ExplainReport r = kettle();
  r.target.contrast_id.reset();
  r.target.contrast_logit = 0;
  r.target.logit = 0.0004;
  r.methods[0].arrays[0].values = std::vector<double>{0, 0, 0.0003, 0};
  EXPECT_THAT(shown(r), HasSubstr(" nothing     0.0004\n \"on\"        0.0001 "));
}

TEST(ExplainShort, TellsWhatWasRunWhereSomeWasNot) {
  const std::string some =
      shown(kettle("er"
                   "r-"));
  EXPECT_THAT(some, HasSubstr("\n---   @@@\n")) << "bars are of effects alone";
  EXPECT_THAT(some, HasSubstr("\"on\"        \"floor\" 2.7 times as likely as \"table\"         really run\n"));
  EXPECT_THAT(some, HasSubstr("\"Put\"       \"table\" about 1.6 times as likely as \"floor\"   estimate\n"));
  ExplainView view;
  view.style.depth = ColorDepth::kTrue;
  const std::string coloured = shown(kettle("err-"), view);
  EXPECT_THAT(coloured, HasSubstr("\x1b[4m"));
  EXPECT_THAT(coloured, HasSubstr("(orange)"));
  EXPECT_THAT(shown(kettle(), view), Not(HasSubstr("\x1b[4m")));
}

TEST(ExplainShort, AGroupOfAnswersIsNamedByItsMembers) {
  ExplainReport r = kettle();
  r.target.text = " table";
  r.target.also = {3};
  r.target.also_texts = {" floor"};
  r.target.contrast_text = " stove";
  const std::string text = shown(r);
  EXPECT_THAT(text, HasSubstr("Put it on the[ table or floor]\n"));
  EXPECT_THAT(text, HasSubstr(" nothing     \"table\" or \"floor\" 2.7 times as likely as \"stove\"\n"));
}

TEST(ExplainShort, WithoutAnotherAnswerTheNumberIsShown) {
  ExplainReport r = kettle();
  r.target.contrast_id.reset();
  r.target.contrast_logit = 0;
  EXPECT_THAT(shown(r), HasSubstr(" taken out   the score of \"table\"\n nothing     2.00\n \"on\"        0.00 "));
}

TEST(ExplainShort, SaysWhyTheFirstMethodWasNotAsked) {
  ExplainReport r = kettle();
  r.methods[0].effect_of.reset();
  r.methods[0].name = "frozen";
  r.methods[0].label = "a remark";
  r.left_out = "What happens without each word was not tried: there are none.";
  const std::string text = shown(r);
  EXPECT_THAT(text, HasSubstr("was not tried: there are none."));
  EXPECT_THAT(text, HasSubstr("\nmethod  frozen: "));
  EXPECT_THAT(text, HasSubstr("note    frozen: a remark\n"));
  for (const char* only_in_detail : {"residual", "causal", "logits", "model  ", "peak memory"})
    EXPECT_THAT(text, Not(HasSubstr(only_in_detail)));
}

}  // namespace
}  // namespace hindscan::cli
