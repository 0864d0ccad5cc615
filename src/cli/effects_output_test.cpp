// The matrix of effects as the terminal shows it, of one made by hand.
#include "cli/effects_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hindscan::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

PositionEffects by_hand() {
  PositionEffects e;
  e.by = PieceBy::kWord;
  for (int64_t p = 0; p < 3; ++p)
    e.pieces.push_back({p, p + 1, std::vector<std::string>{"He", " said", " \"no"}[static_cast<size_t>(p)]});
  e.answers.assign(e.pieces.begin() + 1, e.pieces.end());
  e.answers.push_back({3, 4, " end"});
  e.lost = {0, 0, 0, -2, 4, 0, 3, 0, 1};  // [3, 3]
  return e;
}

HeatmapStyle plain(int columns) {
  HeatmapStyle style;
  style.depth = ColorDepth::kNone;
  style.columns = columns;
  return style;
}

TEST(EffectsText, EachLineIsAWordWithoutThoseBeforeIt) {
  const std::string text = effects_text(by_hand(), plain(80), 8);
  EXPECT_THAT(text, HasSubstr("\n                        without\n                          0  1  2\n"
                              "   0 He\n"
                              "   1 said\n"
                              "   2 \"no                  5  @\n"
                              "next end                  #     -\n"));
  EXPECT_THAT(text, HasSubstr("@ is 4: 55 times\nless likely."));
}

TEST(EffectsText, TheStrongestFurtherBackStandInATable) {
  const std::string text = effects_text(by_hand(), plain(80), 1);
  EXPECT_THAT(text, HasSubstr(" \"He\"        \"end\" (likely next)   20 times less likely\n"));
  EXPECT_THAT(text, Not(HasSubstr("more likely\n")));
  EXPECT_THAT(effects_text(by_hand(), plain(80), 8),
              HasSubstr(" \"He\"        «\"no»                 7.4 times more likely\n"));
}

TEST(EffectsText, ANarrowScreenShowsTheEnd) {
  const std::string text = effects_text(by_hand(), plain(30), 8);
  EXPECT_THAT(text, HasSubstr("The last 2 of 3 words;"));
  EXPECT_THAT(text, HasSubstr("\n                          1  2\n"));
}

}  // namespace
}  // namespace hindscan::cli
