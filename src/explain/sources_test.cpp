// What counts most, in which order, and how much of all.
#include "explain/sources.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/testing/compare.h"

namespace hindscan {
namespace {

std::vector<Source> sources_of(const std::vector<double>& scores, int64_t position, int64_t count = 100,
                               PieceBy by = PieceBy::kToken) {
  ExplainReport r;
  for (size_t t = 0; t < scores.size(); ++t) r.tokens.push_back({0, t % 2 == 0 ? " wo" : "rd", ""});
  r.target.position = position;
  MethodReport& m = r.methods.emplace_back();
  m.arrays.push_back(token_array({"model", "", kTargetUnit}, scores));
  return strongest_sources(r, m, by, count);
}

std::vector<int64_t> places(const std::vector<Source>& sources) {
  std::vector<int64_t> out;
  out.reserve(sources.size());
  for (const Source& s : sources) out.push_back(s.piece.first);
  return out;
}

TEST(Sources, TheLargestComeFirstAndEqualOnesAsTheyStand) {
  EXPECT_EQ(places(sources_of({1, -3, 2, 3, -2, 0}, 5)), (std::vector<int64_t>{1, 3, 2, 4, 0}));
  EXPECT_EQ(places(sources_of({1, -3, 2, 3, -2, 0}, 5, 2)), (std::vector<int64_t>{1, 3}));
  EXPECT_TRUE(sources_of({1, -3}, 1, 0).empty());
}

TEST(Sources, TheTargetsOwnTokenIsTheLastOne) {
  EXPECT_EQ(places(sources_of({1, 2, 3, 4}, 2)), (std::vector<int64_t>{2, 1, 0}));
}

TEST(Sources, SharesAreOfAllSizesTogetherAlsoOfThoseThatAreNotNamed) {
  const std::vector<Source> two = sources_of({1, -3, 2, 2}, 3, 2);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_TRUE(agree(two[0].share, 3.0 / 8, tol::kF64Sum));
  EXPECT_EQ(two[0].score, -3);
  EXPECT_TRUE(agree(two[1].share, 2.0 / 8, tol::kF64Sum));
}

TEST(Sources, TheTokensOfAWordAreOne) {
  const std::vector<Source> words = sources_of({1, -3, 2, 2}, 3, 9, PieceBy::kWord);
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].piece.bytes, " word");
  EXPECT_EQ(words[0].score, 4);
  EXPECT_EQ(words[1].score, -2);
  EXPECT_TRUE(agree(words[1].share, 2.0 / 6, tol::kF64Sum));
}

TEST(Sources, WhatIsNoNumberTakesNoShareFromOthers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Source> found = sources_of({1, nan, 3}, 2);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].piece.first, 2);
  EXPECT_TRUE(agree(found[0].share, 0.75, tol::kF64Sum));
}

}  // namespace
}  // namespace hindscan
