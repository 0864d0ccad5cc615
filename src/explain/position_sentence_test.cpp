// What a matrix of effects comes to in plain words.
#include "explain/position_sentence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "explain/score_words.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Rows are lower triangles, the first of which says nothing.
PositionEffects effects_of(const std::vector<std::string>& words, const std::vector<std::vector<double>>& lost) {
  PositionEffects e;
  e.by = PieceBy::kWord;
  const auto n = std::ssize(words);
  for (int64_t p = 0; p < n; ++p) e.pieces.push_back({p, p + 1, words[static_cast<size_t>(p)]});
  e.answers.assign(e.pieces.begin() + 1, e.pieces.end());
  e.answers.push_back({n, n + 1, " end"});
  for (const std::vector<double>& row : lost) {
    e.lost.insert(e.lost.end(), row.begin(), row.end());
    e.lost.resize(e.lost.size() + words.size() - row.size(), 0.0);
  }
  return e;
}

TEST(EffectsSentence, NamesTheStrongestAndWhatMatteredForMost) {
  const std::string said = effects_sentence(effects_of(
      {"He", " shook", " his", " old", " head"}, {{0}, {0.2, 1}, {0.1, 3, 0.2}, {0, 2, 0.1, 0.3}, {0, 0, 0, 0, 1}}));
  EXPECT_THAT(said, HasSubstr("For 2 of 4 later words the word right before mattered most."));
  EXPECT_THAT(said, HasSubstr("Further back, \"shook\" mattered most for \"old\": without it, that is 20 times less"));
  EXPECT_THAT(said,
              HasSubstr("Of those further back, \"shook\" mattered most for 2 of the 4 words: \"old\" and \"head\"."));
  EXPECT_THAT(said, HasSubstr("the text was read 5 times"));
  EXPECT_THAT(said, HasSubstr("Nothing is an estimate."));
  EXPECT_THAT(said, Not(HasSubstr("in the way")));
}

TEST(EffectsSentence, WordsThatStandSeveralTimesAreTold) {
  const PositionEffects e = effects_of({"the", " cat", " the"}, {{0}, {0.2, 0.1}, {0.1, 0.1, -1.5}});
  EXPECT_THAT(effects_sentence(e), HasSubstr("For 0 of 2 later words"));
  EXPECT_THAT(effects_sentence(e), HasSubstr("\"the\" (word 0) mattered most for \"the\" (word 2): without it, that is "
                                             "1.2 times less likely."));
  EXPECT_THAT(effects_sentence(e), HasSubstr("\"the\" (word 2) stood most in the way of \"end\" (likely next): without "
                                             "it, that is 4.5 times more likely."));
}

TEST(EffectsSentence, WhereNothingMattersNoneIsNamed) {
  const std::string said = effects_sentence(effects_of({"a", " b", " c"}, {{0}, {0.01, 0}, {0, 0.02, 4}}));
  EXPECT_THAT(said, HasSubstr("For 1 of 2 later words the word right before mattered most."));
  EXPECT_THAT(said, HasSubstr("No word further back matters."));
  EXPECT_THAT(said, Not(HasSubstr("\"")));
}

TEST(EffectsSentence, TimesAreOddsOfThePlainKind) {
  EXPECT_EQ(change_words(std::log(2)), "2.0 times less likely");
  EXPECT_EQ(change_words(-std::log(40)), "40 times more likely");
  EXPECT_EQ(change_words(0.01), "hardly less likely");
  EXPECT_EQ(change_words(800), "over a billion times less likely");
}

TEST(EffectsSentence, TheStrongestFurtherBackComeFirst) {
  PositionEffects e = effects_of({"a", " b", " c"}, {{0}, {0.5, 0.1}, {-2, 0.5, 0.01}});
  const std::vector<PositionEffect> all = strongest_further_back(e, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(std::pair(all[0].row, all[0].col), std::pair(int64_t{2}, int64_t{0}));
  EXPECT_EQ(std::pair(all[1].row, all[1].col), std::pair(int64_t{1}, int64_t{0}));
  EXPECT_EQ(strongest_further_back(e, 1).size(), 1u);
  EXPECT_TRUE(strongest_further_back(e, 0).empty());
  e.log_p = {-1, -2, -3};
  const Json json = to_json(e);
  EXPECT_TRUE(json.find("lost")->items()[0].items()[0].is_null());
  EXPECT_EQ(json.find("lost")->items()[2].items().size(), 3u);
}

}  // namespace
}  // namespace hindscan
