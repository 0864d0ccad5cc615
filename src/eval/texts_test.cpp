#include "eval/texts.h"

#include <gtest/gtest.h>

#include <map>

namespace hindscan {
namespace {

const Model& english() {
  static const Model model = Model::load(kBuiltInModel);
  return model;
}

std::string book() {
  std::string out;
  for (int i = 0; i < 60; ++i) {
    out += "The old man went into the wood, and there he saw a little bird that sang. \"Come here!\" he said to it. ";
    out += "It was number " + std::to_string(i) + " of them and would not come, for the snow was deep.";
    out += i % 3 == 2 ? "\n\n" : "\n";
  }
  return out;
}

std::string said(const EvalText& text) { return english().tokenizer().decode(text.tokens); }

TEST(CausalTexts, BeginAtSentencesInEqualPartsOfTheLengthsAndDoNotOverlap) {
  const std::string text = book();
  TextDraw draw;
  draw.count = 16;
  draw.shortest = 40;
  draw.longest = 47;
  const std::vector<EvalText> texts = draw_texts(english(), text, draw);
  ASSERT_EQ(texts.size(), 16u);
  std::map<int64_t, int> lengths;
  std::map<uint64_t, uint64_t> places;
  for (const EvalText& t : texts) {
    EXPECT_EQ(text.substr(t.at, said(t).size()), said(t));
    EXPECT_TRUE(t.at == 0 || text[t.at - 1] == '\n' || text.substr(t.at - 2, 2) == ". " ||
                text.substr(t.at - 3, 3) == "!\" ")
        << said(t);
    ++lengths[(std::ssize(t.tokens) - 40) / 2];
    places[t.at] = t.at + said(t).size();
  }
  EXPECT_EQ(lengths, (std::map<int64_t, int>{{0, 4}, {1, 4}, {2, 4}, {3, 4}}));
  ASSERT_EQ(places.size(), 16u);
  for (auto it = places.begin(); std::next(it) != places.end(); ++it) EXPECT_LE(it->second, std::next(it)->first);
  EXPECT_EQ(draw_texts(english(), text, draw)[5].tokens, texts[5].tokens);
  draw.seed = 1;
  EXPECT_NE(draw_texts(english(), text, draw)[5].tokens, texts[5].tokens);
}

TEST(CausalTexts, BeginAtLinesOrParagraphs) {
  const std::string text = book();
  TextDraw draw;
  draw.count = 8;
  draw.shortest = draw.longest = 9;
  for (const TextStart start : {TextStart::kLine, TextStart::kParagraph}) {
    draw.start = start;
    for (const EvalText& t : draw_texts(english(), text, draw)) {
      EXPECT_EQ(std::ssize(t.tokens), 9);
      const std::string gap = start == TextStart::kLine ? "\n" : "\n\n";
      EXPECT_TRUE(t.at == 0 || text.substr(t.at - gap.size(), gap.size()) == gap) << said(t);
    }
  }
}

TEST(CausalTexts, LinesAreTextsOfTheirOwnAsFarAsTheirLengthsAllow) {
  std::string text;
  std::map<std::string, int> good;
  for (int i = 0; i < 20; ++i) {
    const std::string line =
        "The bird sang" + std::string(i % 2 == 0 ? "" : " and sang and sang") + " in tree " + std::to_string(i) + ".";
    text += line + "\n\n";
    good[line] = 1;
  }
  text += "No.\n";
  TextDraw draw;
  draw.count = 20;
  draw.shortest = 5;
  draw.longest = 40;
  draw.whole_lines = true;
  for (const EvalText& t : draw_texts(english(), text, draw)) EXPECT_EQ(good[said(t)]--, 1) << said(t);
  draw.count = 21;
  try {
    draw_texts(english(), text, draw);
    ADD_FAILURE() << "expected a refusal";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_NE(e.message().find("21 texts of 5 to 40 tokens, found 20"), std::string::npos) << e.message();
  }
}

TEST(CausalTexts, NoneRunsIntoTheNextBook) {
  const Model& model = english();
  int32_t special = -1;
  for (int32_t id = 0; id < model.tokenizer().vocab_size(); ++id)
    special = model.tokenizer().is_special(id) ? id : special;
  ASSERT_GE(special, 0);
  const std::string mark(model.tokenizer().token_bytes(special));
  std::string text;
  for (int i = 0; i < 30; ++i) text += "The bird sang. It sang and sang again, and then it slept.\n" + mark + "\n";
  TextDraw draw;
  draw.count = 20;
  draw.shortest = draw.longest = 6;
  for (const EvalText& t : draw_texts(model, text, draw))
    EXPECT_EQ(std::count(t.tokens.begin(), t.tokens.end(), special), 0) << said(t);
}

TEST(CausalTexts, FilesHaveEqualSharesAndTheFirstOnesWhatIsLeft) {
  for (const auto& [count, files] : std::vector<std::pair<int64_t, size_t>>{{200, 3}, {30, 1}, {7, 7}, {8, 5}}) {
    int64_t sum = 0, before = count;
    for (size_t f = 0; f < files; ++f) {
      const int64_t share = share_of(count, f, files);
      EXPECT_LE(share, before);
      EXPECT_GE(share, count / static_cast<int64_t>(files));
      before = share;
      sum += share;
    }
    EXPECT_EQ(sum, count);
  }
}

TEST(CausalTexts, AsksOfEveryWayToBegin) {
  EXPECT_EQ(parse_text_start("paragraph"), TextStart::kParagraph);
  EXPECT_THROW(parse_text_start("chapter"), Error);
}

}  // namespace
}  // namespace hindscan
