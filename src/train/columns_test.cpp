#include "train/columns.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

using testing::HasSubstr;

// label, text, header; "rest" where the text is the rest of the line; else the message.
std::string choice(const std::string& text, LabelledFiles files = {}) {
  files.labels = "f.tsv";
  try {
    const Columns c = choose_columns(parse_tsv(text), files);
    const std::string label = c.label == SIZE_MAX ? "last" : std::to_string(c.label + 1);
    return label + " " + (c.rest ? "rest" : std::to_string(c.text + 1)) + (c.header ? " header" : "");
  } catch (const Error& e) {
    return std::to_string(static_cast<int>(e.code())) + " " + e.message();
  }
}

// Sixty reviews of which one stands there twice, each with an id.
std::string reviews(const std::string& header, bool scores = false) {
  std::string out = header;
  for (int i = 0; i < 60; ++i) {
    const std::string label = scores ? (i % 2 ? "1.0" : "0.0") : (i % 2 ? "pos" : "neg");
    out += std::to_string(1000 + i) + "\t" + label + "\ta film of " + std::to_string(i == 7 ? 8 : i) +
           " long scenes and a song\n";
  }
  return out;
}

TEST(CaseA8, ThreeColumnsWithARepeatedText) {
  EXPECT_EQ(choice(reviews("")), "2 3");
  EXPECT_EQ(choice(reviews("", true)), "2 3");
  EXPECT_EQ(choice(reviews("id\tsentiment\treview\n")), "2 3 header");
  EXPECT_EQ(choice(reviews("nr\tmood\twhat they wrote\n")), "2 3 header");  // words over numbers
  EXPECT_EQ(choice(reviews("", true), {.label_column = 2}), "2 3");
}

TEST(CaseA8, AHeaderNamesTheColumns) {
  EXPECT_EQ(choice("text\tlabel\nfine\t1\npoor\t0\n"), "2 1 header");
  EXPECT_EQ(choice("Stars\tWho\tReview\n3\tme\tso so, I think\n5\tyou\tvery nice, too\n"), "1 3 header");
  EXPECT_EQ(choice("y\tx\n1\tfine day\n0\tpoor day\n", {.text_field = "x", .label_field = "y"}), "1 2 header");
  EXPECT_EQ(choice("y\tx\nb\tfine\na\tpoor\na\tbad\n", {.header = "yes"}), "1 2 header");
  // A word that is a name is also a word: a class "label" stays one when it comes again.
  EXPECT_EQ(choice("label\tfine\nother\tpoor\nlabel\tbad\nother\tworse\n"), "1 2");
  EXPECT_EQ(choice("label\tfine\nother\tpoor\nother\tbad\n", {.header = "no"}), "1 2");
}

TEST(CaseA8, WhatDoesNotShowIsAskedFor) {
  EXPECT_THAT(choice("1\tfine\n2\tpoor\n"), HasSubstr("2 [f.tsv] what is label and what is text does not show"));
  EXPECT_THAT(choice("a b\tx\tu\nc d\tx\tv\ne f\ty\tu\ng h\ty\tv\n"),
              HasSubstr("give the number of the label column and of the text column"));
  EXPECT_THAT(choice("a\tx\tu\nc\tx\tv\ne\ty\tu\ng\ty\tv\n", {.label_column = 2}),
              HasSubstr("give the number of the text column"));
  EXPECT_EQ(choice("a\tx\tu\nc\tx\tv\ne\ty\tu\ng\ty\tv\n", {.label_column = 2, .text_column = 1}), "2 1");
  EXPECT_THAT(choice("a\tx\n", {.label_column = 1, .text_column = 1}), HasSubstr("found 1 for both"));
  EXPECT_THAT(choice("a\tx\n", {.label_column = 3}), HasSubstr("65 [f.tsv line 1] expected a label in column 3"));
  std::string odd = "mood\twhat was written\n";
  for (int i = 0; i < 20; ++i) odd += std::string(i % 2 ? "glad" : "sad") + "\ttext number " + std::to_string(i) + "\n";
  EXPECT_THAT(choice(odd), HasSubstr("line 1 may be a header"));
  EXPECT_EQ(choice(odd, {.header = "yes"}), "1 2 header");
  EXPECT_EQ(choice(odd, {.header = "no"}), "1 2");
}

TEST(CaseA8, WhatNeverChangesIsNoLabelAndWhatHasNoWordsNoText) {
  std::string same, hashes, rare = "odd\ta text\nrare\tanother\n";
  for (int i = 0; i < 60; ++i) {
    const std::string mood = i % 2 ? "pos" : "neg", number = std::to_string(1000 + i);
    same += fmt::format("train\t{}\ta film of {} long scenes and a song\n", mood, number);
    hashes += fmt::format("0123456789abcdef0123456789abcdef{1}\t{0}\tx{1}\n", mood, number);
    rare += fmt::format("{}\ta film of {} scenes\n", mood, number);
  }
  EXPECT_EQ(choice(same), "2 3");
  EXPECT_THAT(choice(hashes, {.label_column = 2}), HasSubstr("give the number of the text column"));
  EXPECT_EQ(choice(rare), "1 2");  // two labels come once: the first is no more a header than the other
}

TEST(CaseA8, TheModelsLabelsSettleIt) {
  const std::string two = "good\tsome text\nbad\tsome text\n";
  EXPECT_EQ(choice(two, {.known_labels = {"bad", "good"}}), "1 2");
  EXPECT_EQ(choice("1\tone fine day\tgood\n2\ta poor day\tbad\n", {.known_labels = {"bad", "good"}}), "3 2");
}

TEST(CaseA8, NumbersWithFractionsAreLabels) {
  EXPECT_EQ(choice("one fine day\t1.5\na poor day\t0.25\nso so\t0.75\n"), "2 1");
}

TEST(CaseA8, TextsWithTabsAreTheRestOfTheLine) {
  EXPECT_EQ(choice("pos\tone\ttwo\nneg\tthree\npos\tfour\n"), "1 rest");
  EXPECT_EQ(choice("one\ttwo\tpos\nthree\tneg\nfour\tpos\n"), "last rest");
}

}  // namespace
}  // namespace hindscan
