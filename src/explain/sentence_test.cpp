// One or two sentences in plain words: what is named, where it stands, and what is doubtful.
#include "explain/sentence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace hindscan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ExplainReport report_of(const std::vector<std::string>& tokens, const std::vector<double>& scores) {
  ExplainReport r;
  for (const std::string& t : tokens) r.tokens.push_back({0, t, ""});
  r.target = {std::ssize(tokens) - 1, 2, " next", 3, " other", 1.5, 0.5, 0.25};
  MethodReport& m = r.methods.emplace_back();
  m.name = "frozen";
  m.arrays.push_back(token_array({"model", "", kTargetUnit}, scores));
  m.arrays[0].completeness = {1, 1e-7};
  return r;
}

std::string sentence_of(const ExplainReport& r, PieceBy by = PieceBy::kToken) {
  return explain_sentence(r, r.methods[0], by);
}

std::string sentence_of(const std::vector<std::string>& tokens, const std::vector<double>& scores) {
  return sentence_of(report_of(tokens, scores));
}

TEST(ExplainSentence, NamesWordsOrTheLettersThatAreTheTokens) {
  EXPECT_THAT(sentence_of({"He", " op", "ened", " it"}, {0, 1, 1, 0.5}),
              HasSubstr("Most for it: \"opened\" and \"it\"."));
  EXPECT_THAT(sentence_of({"b", "c", "d", "b"}, {0, 2, 1, -1}),
              HasSubstr("Most for it: \"c\" (token 1) and \"d\" (token 2). Most against it: \"b\" (token 3)."));
  // The same word twice is told apart by its place.
  EXPECT_THAT(sentence_of({"the", " mat", " the"}, {1, 1, -2}),
              HasSubstr("Most for it: \"the\" (token 0) and \"mat\". Most against it: \"the\" (token 2)."));
  EXPECT_THAT(sentence_of({"b", "c"}, {0, 0}), HasSubstr("No token stands out."));
}

TEST(ExplainSentence, NamesSentencesWhereTheyAreAskedFor) {
  const ExplainReport r = report_of({"He", " went.", " She", " stayed"}, {1, 2, 0.1, 0.2});
  EXPECT_THAT(sentence_of(r, PieceBy::kSentence), HasSubstr("Most for it: \"He went.\" and \"She stayed\"."));
  EXPECT_THAT(sentence_of(r, PieceBy::kWord), HasSubstr("Most for it: \"went.\", \"He\" and \"stayed\"."));
}

TEST(ExplainSentence, NamesThreeOfASignAndNoneThatHardlyCounts) {
  const std::vector<std::string> tokens = {"one", " two", " three", " four", " five"};
  EXPECT_THAT(sentence_of(tokens, {4, 1, 2, 3, 0}), HasSubstr("Most for it: \"one\", \"four\" and \"three\"."));
  EXPECT_THAT(sentence_of(tokens, {100, 1, -4, 0, 0}), HasSubstr("Most for it: \"one\"."));
  EXPECT_THAT(sentence_of(tokens, {100, 1, -4, 0, 0}), Not(HasSubstr("against")));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(sentence_of(tokens, {nan, 1, 0, 0, 0}), HasSubstr("Most for it: \"two\"."));
}

TEST(ExplainSentence, ScoresWithoutATargetSpeakForNothing) {
  ExplainReport r = report_of({"one", " two", " three"}, {1, -3, 0});
  r.methods[0].targeted = false;
  EXPECT_THAT(sentence_of(r), HasSubstr("It drew most on \"two\" and \"one\"."));
}

TEST(ExplainSentence, SaysWhatIsPredictedOfWhat) {
  ExplainReport r = report_of({"one", " two"}, {1, 2});
  EXPECT_THAT(sentence_of(r),
              HasSubstr("gives \"next\" a probability of 25 % to come next, and \"other\" 9.2 %. Why \"next\" "
                        "rather than \"other\"?"));
  r.target.probability = 0.996;
  EXPECT_THAT(sentence_of(r), HasSubstr("of over 99 %"));
  r.target.probability = 0.004;
  EXPECT_THAT(sentence_of(r), HasSubstr("of 0.4 %"));
  r.target.text = "";
  r.target.contrast_id.reset();
  EXPECT_THAT(sentence_of(r), HasSubstr("Why token 2?"));
  r.vectors = true;
  r.target.kind = TargetKind::kClass;
  EXPECT_THAT(sentence_of(r), HasSubstr("to be the class of the vectors."));
  r.target.kind = TargetKind::kNumber;
  EXPECT_THAT(sentence_of(r), HasSubstr("The model gives the vectors the number 1.5."));
}

TEST(ExplainSentence, AnswersThatArePiecesOfWordsAreSaidToBe) {
  const auto said = [](const std::vector<std::string>& tokens, const std::string& answer, const std::string& other) {
    ExplainReport r = report_of(tokens, std::vector<double>(tokens.size(), 1.0));
    r.target.text = answer;
    r.target.contrast_text = other;
    return sentence_of(r);
  };
  const std::vector<std::string> text = {"He", " was", " walk"};
  EXPECT_THAT(said(text, "ing", " to"),
              HasSubstr(" \"ing\" goes on with the last word: \"walking\". Why \"ing\" rather"));
  EXPECT_THAT(said(text, "ing", "ed"),
              HasSubstr(" \"ing\" and \"ed\" go on with the last word: \"walking\" and \"walked\". Why"));
  EXPECT_THAT(said(text, " home", "."), HasSubstr(" 9.2 %. Why"));
  EXPECT_THAT(said(text, " c", " I"), HasSubstr(" \"c\" may be only the beginning of a longer word, which the model "
                                                "writes in pieces. Why"));
  EXPECT_THAT(said({"c", "a", "b"}, "d", "e"), HasSubstr(" 9.2 %. Why")) << "where letters are all there is";
}

TEST(ExplainSentence, AGroupOfAnswersIsNamedByItsMembers) {
  ExplainReport r = report_of({"one", " two"}, {1, 2});
  r.target.text = " head";
  r.target.also = {4, 5};
  r.target.also_texts = {" hands", " arm"};
  EXPECT_THAT(sentence_of(r), HasSubstr("gives \"head\", \"hands\" or \"arm\" a probability of 25 % to come next, and "
                                        "\"other\" 9.2 %. Why \"head\", \"hands\" or \"arm\" rather than \"other\"?"));
  r.target.text = "a|b";
  r.target.also = {4};
  r.target.also_texts = {" hands"};
  EXPECT_THAT(sentence_of(r), HasSubstr("gives \"a|b\" or \"hands\" a probability"));
}

TEST(ExplainSentence, NamesWithMarksOfTheirOwnStandBetweenOthers) {
  EXPECT_THAT(sentence_of({"He", " said", ".\""}, {0, 1, 3}), HasSubstr("Most for it: \u00ab.\"\u00bb and \"said\"."));
}

TEST(ExplainSentence, WarnsOfScoresThatShouldAddUpAndDoNot) {
  EXPECT_THAT(sentence_of({"a", "b"}, {0, 1}), Not(HasSubstr("do not rely")));
  ExplainReport r = report_of({"a", "b"}, {0, 1});
  r.methods[0].arrays[0].completeness = {1, -0.11};
  EXPECT_THAT(sentence_of(r), HasSubstr("miss the target by 0.11: do not rely on them"));
  r.methods[0].arrays[0].completeness = {1, -0.09};
  EXPECT_THAT(sentence_of(r), Not(HasSubstr("do not rely")));
}

// Scores of edits: F loses them when the token is edited. found: 'r' run, 'e' estimated, '-' not asked.
ExplainReport effects_of(const std::vector<std::string>& tokens, const std::vector<double>& scores,
                         const std::string& found) {
  ExplainReport r = report_of(tokens, scores);
  r.methods[0].arrays[0].completeness.reset();
  r.methods[0].effect_of = EditKind::kRemove;
  for (const char f : found)
    r.methods[0].found.push_back(f == 'r' ? Found::kMeasured : f == 'e' ? Found::kEstimated : Found::kNotAsked);
  return r;
}

TEST(ExplainSentence, EffectsSayWhichAnswerIsAheadWithoutAWord) {
  ExplainReport r = effects_of({"He", " shut", ",", " the"}, {0.08, 0.4, -0.17, 0}, "rrr-");
  EXPECT_THAT(sentence_of(r),
              HasSubstr("Why \"next\" rather than \"other\"? With the whole text \"next\" is 2.7 times as likely as "
                        "\"other\"; without \"shut\", \"next\" is only 1.8 times as likely as \"other\", without "
                        "\"He\" only 2.5 times as likely and without \",\" 3.2 times as likely. Each of these was "
                        "really run, one at a time."));
  EXPECT_THAT(sentence_of(r), Not(HasSubstr("tried")));
  r.methods[0].arrays[0].values = std::vector<double>{0, 1.5, 0, 0};
  EXPECT_THAT(sentence_of(r), HasSubstr("as \"other\"; without \"shut\", \"other\" is 1.6 times as likely as "
                                        "\"next\". This was really run."));
  r.methods[0].arrays[0].values = std::vector<double>{0, -1.5, 0, 0};
  EXPECT_THAT(sentence_of(r), HasSubstr("; without \"shut\", \"next\" is 12 times as likely as \"other\"."));
  r.methods[0].arrays[0].values = std::vector<double>{0.5, 2, 1.4, 0};
  EXPECT_THAT(sentence_of(r),
              HasSubstr("\"other\"; without \"shut\", \"other\" is 2.7 times as likely as \"next\" and without \",\" "
                        "1.5 times as likely; without \"He\", \"next\" is only 1.6 times as likely as \"other\"."));
  // An answer that is behind stays behind, by more or less.
  r.target.logit = -0.5;
  r.methods[0].arrays[0].values = std::vector<double>{0.5, -0.5, 0, 0};
  EXPECT_THAT(
      sentence_of(r),
      HasSubstr("With the whole text \"other\" is 2.7 times as likely as \"next\"; without \"He\", \"other\" is "
                "4.5 times as likely as \"next\" and without \"shut\" only 1.6 times as likely."));
}

TEST(ExplainSentence, LargeOddsAreToldApartAndHugeOnesAreNotCalledFewer) {
  ExplainReport r = effects_of({"He", " shut", " the"}, {1.2, 10, 0}, "rr-");
  r.target.logit = 22.5;
  EXPECT_THAT(
      sentence_of(r),
      HasSubstr("With the whole text \"next\" is over a billion times as likely as \"other\"; without \"shut\", "
                "\"next\" is only 163 thousand times as likely as \"other\" and without \"He\" over a billion "
                "times as likely."));
}

TEST(ExplainSentence, AnEffectIsNotSaidToDecideWhatItHardlyChanges) {
  const std::string said = sentence_of(effects_of({"He", " shut", " the"}, {0.05, -0.2, 0}, "rr-"));
  EXPECT_THAT(said,
              HasSubstr("With the whole text \"next\" is 2.7 times as likely as \"other\". No single token decides "
                        "that: without \"shut\", which changes it most, \"next\" is 3.3 times as likely as "
                        "\"other\". This was really run."));
  EXPECT_THAT(said, Not(HasSubstr("He")));
}

TEST(ExplainSentence, ASmallValueIsNotWrittenAsNothing) {
  ExplainReport r = effects_of({"He", " shut", " the"}, {0, 0.0003, 0}, "rr-");
  r.target.contrast_id.reset();
  r.target.contrast_logit = 0;
  r.target.logit = 0.00041;
  EXPECT_THAT(sentence_of(r), HasSubstr("falls by 0.0003 (from 0.00041)"));
}

TEST(ExplainSentence, WithoutAnotherAnswerEffectsAreInUnitsOfTheTarget) {
  ExplainReport r = effects_of({"He", " shut", ",", " the"}, {0.08, 0.4, -0.17, 0}, "rrr-");
  r.target.contrast_id.reset();
  r.target.contrast_logit = 0;
  EXPECT_THAT(sentence_of(r),
              HasSubstr("Without \"shut\" the score of \"next\" falls by 0.40 (from 1.50) and without "
                        "\"He\" by 0.080; without \",\" it rises by 0.17. Each of these was really run"));
  r.methods[0].arrays[0].values = std::vector<double>{0, -1.5, 0, 0};
  EXPECT_THAT(sentence_of(r), HasSubstr("Without \"shut\" the score of \"next\" rises by"));
  r.target.kind = TargetKind::kNumber;
  EXPECT_THAT(sentence_of(r), HasSubstr("the number rises by"));
  r.target.kind = TargetKind::kToken;
  r.target.measure = "entropy";
  r.target.measured = 8.5;
  EXPECT_THAT(sentence_of(r),
              HasSubstr("Without \"shut\" the uncertainty about the answer rises by 1.50 bits (from 8.50)"));
}

TEST(ExplainSentence, EstimatesOfEffectsAreNotSaidToBeRun) {
  EXPECT_THAT(
      sentence_of(effects_of({"He", " shut", " the"}, {0.3, 0.4, 0}, "er-")),
      HasSubstr("is only 1.8 times as likely as \"other\" and without \"He\" only about 2.0 times as likely. \"About\" "
                "is an estimate; the others were really run."));
  const std::string guessed = sentence_of(effects_of({"He", " shut", " the"}, {0.3, 0.4, 0}, "ee-"));
  EXPECT_THAT(guessed, HasSubstr("These are estimates, not runs."));
  EXPECT_THAT(guessed, Not(HasSubstr("really")));
  // Where the method's own check is poor, what was run alone is named.
  ExplainReport poor = effects_of({"He", " shut", " the"}, {0.3, 0.4, 0}, "er-");
  poor.methods[0].approximate = true;
  EXPECT_THAT(sentence_of(poor),
              HasSubstr("without \"shut\", \"next\" is only 1.8 times as likely as \"other\". This was "
                        "really run; what the others do is only approximate."));
  EXPECT_THAT(sentence_of(poor), Not(HasSubstr("\"He\"")));
  poor.methods[0].found.assign(3, Found::kEstimated);
  EXPECT_THAT(sentence_of(poor), HasSubstr("without each token is only approximate here."));
}

TEST(ExplainSentence, ATokenThatWasEditedIsNotSaidToBeItsWord) {
  EXPECT_THAT(sentence_of(effects_of({"He", " op", "ened", " it"}, {0, 0.1, 0.2, 0}, "rrr-")),
              HasSubstr("No single token decides that: without the part \"ened\" of \"opened\", which"));
  // Two of a name are told apart, also where one of them is not named.
  EXPECT_THAT(sentence_of(effects_of({"and", " he", " and", " it"}, {0, 0, 0.4, 0}, "rrr-")),
              HasSubstr("without \"and\" in \"he and it\", \"next\""));
  EXPECT_THAT(sentence_of(effects_of({"and", " he.\n", " so", " it"}, {0, 0.4, 0, 0}, "rrr-")),
              HasSubstr("without \"he.\", \"next\""));
  EXPECT_THAT(
      sentence_of(effects_of({"a", "b", "a"}, {0.4, 0.3, 0}, "rr-")),
      HasSubstr(
          "without \"a\" (token 0), \"next\" is only 1.8 times as likely as \"other\" and without \"b\" (token 1)"));
}

TEST(ExplainSentence, SaysWhatWasEditedAndHowManyWereTried) {
  ExplainReport r = effects_of({"a", "b", " one", " two", " it"}, {0, 0, 0, 0.4, 0}, "--rr-");
  EXPECT_THAT(sentence_of(r), HasSubstr(" Only 2 of 4 tokens were tried."));
  r.methods[0].effect_of = EditKind::kDropWrite;
  EXPECT_THAT(sentence_of(r), HasSubstr("; without what the layers write at \"two\", \"next\""));
  r.methods[0].effect_of = EditKind::kReplace;
  EXPECT_THAT(sentence_of(r), HasSubstr("; with another token for \"two\", \"next\""));
  EXPECT_THAT(sentence_of(effects_of({"a", " b"}, {0, 0}, "r-")), HasSubstr("No edit changes it."));
  EXPECT_THAT(sentence_of(effects_of({"a"}, {0}, "-")), HasSubstr("No token stands before it that could be edited."));
}

}  // namespace
}  // namespace hindscan
