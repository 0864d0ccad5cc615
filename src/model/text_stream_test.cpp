#include "model/text_stream.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

std::string run(TextStream& s, const std::vector<std::string>& pieces) {
  std::string out;
  for (const std::string& p : pieces) out += s.push(p);
  return out;
}

TEST(TextStream, HoldsIncompleteCodePointsBack) {
  TextStream s;
  EXPECT_EQ(s.push("a\xe2"), "a");
  EXPECT_EQ(s.push("\x82"), "");
  EXPECT_EQ(s.push("\xac!"), "\xe2\x82\xac!");
}

TEST(TextStream, FinishGivesWhatWasHeld) {
  TextStream s;
  EXPECT_EQ(s.push("x\xf0\x9f"), "x");
  EXPECT_EQ(s.finish(), "\xf0\x9f");
  EXPECT_EQ(s.finish(), "");
}

TEST(TextStream, InvalidBytesDoNotBlock) {
  TextStream s;
  EXPECT_EQ(s.push("\xff"), "\xff");
  EXPECT_EQ(s.push("\xe2("), "\xe2(");
}

TEST(TextStream, StopStringAcrossTokenBorders) {
  TextStream s({"The End"});
  EXPECT_EQ(run(s, {"He slept. T", "he", " E"}), "He slept. ");
  EXPECT_FALSE(s.stopped());
  EXPECT_EQ(s.push("nd and more"), "");
  EXPECT_TRUE(s.stopped());
  EXPECT_EQ(s.stop_string(), "The End");
  EXPECT_EQ(s.push("never"), "");
  EXPECT_EQ(s.finish(), "");
}

TEST(TextStream, FalseStartIsReleased) {
  TextStream s({"aab"});
  EXPECT_EQ(run(s, {"a", "a", "a"}), "a");  // "aa" may still become the stop string
  EXPECT_EQ(s.push("c"), "aac");
}

TEST(TextStream, EarliestStopWins) {
  TextStream s({"world", "lo"});
  EXPECT_EQ(s.push("hello world"), "hel");
  EXPECT_EQ(s.stop_string(), "lo");
}

TEST(TextStream, EmptyStopIsRefused) { EXPECT_THROW(TextStream({"x", ""}), Error); }

}  // namespace
}  // namespace hindscan
