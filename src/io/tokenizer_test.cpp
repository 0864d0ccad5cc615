#include "io/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/mmap.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "io/tokenizer_test_support.h"

namespace hindscan {
namespace {

TEST(Tokenizer, EveryByteStringSurvives) {
  Rng rng(11);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t k = rng.below(60); k > 0; --k) {
      text += static_cast<char>(rng.below(3) == 0 ? rng.below(256) : 'a' + rng.below(4));
    }
    ASSERT_EQ(english().decode(english().encode(text)), text);
  }
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  EXPECT_EQ(english().decode(english().encode(all + all)), all + all);
}

TEST(Tokenizer, InvalidBytesPassNormalisationUnchanged) {
  Json json = tiny();
  json.set("normalizer", Json::object().set("type", "NFC"));
  const Tokenizer tokenizer = Tokenizer::from_json(to_string(json), "t");
  const auto through = [&](const std::string& text) { return tokenizer.decode(tokenizer.encode(text)); };
  EXPECT_EQ(through("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(through("\xFF\xCC\x81"), "\xFF\xCC\x81");
  EXPECT_EQ(through("a\xCC"), "a\xCC");
  EXPECT_EQ(through("\xED\xA0\x80 e\xCC\x81\xF0\x9F"), "\xED\xA0\x80 \xC3\xA9\xF0\x9F");
}

// A message stays one line, whatever the text holds.
TEST(CaseA11, ACharacterWithoutATokenIsNamedInPrint) {
  Json model = Json::object().set("type", "LongestMatch").set("vocab", Json::object().set("a", 0));
  const Tokenizer letters = Tokenizer::from_json(to_string(Json::object().set("model", model)), "t");
  try {
    letters.encode("a\nb");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("found '\u23ce' at byte 1"), std::string::npos) << e.message();
  }
  UnknownText unknown;
  unknown.count = 1;
  unknown.sample = "\n";
  EXPECT_EQ(to_text(unknown).find('\n'), std::string::npos) << to_text(unknown);
}

// Of a vocabulary without the bytes of "\u00fc" (C3 BC); "<s>" is an added token before it in the text.
TEST(CaseA11, CharactersWithoutTokensAreStoodInForCountedAndPlaced) {
  for (const bool own : {false, true}) {
    Json model = *tiny().find("model"), vocab = Json::object();
    for (const auto& [token, id] : model.find("vocab")->members()) {
      if (token != symbols_of_bytes("\xC3") && token != symbols_of_bytes("\xBC"))
        vocab.set(token, vocab.members().size());
    }
    vocab.set("<unk>", vocab.members().size());
    model.set("vocab", vocab);
    if (own) model.set("unk_token", "<unk>");
    const Json added =
        Json::object().set("id", 255).set("content", "<s>").set("special", true).set("normalized", false);
    const Json json = tiny().set("model", model).set("added_tokens", Json::array().push(added));
    const Tokenizer tokenizer = Tokenizer::from_json(to_string(json), "t");
    UnknownText unknown;
    const std::vector<int32_t> ids = tokenizer.encode("a<s>f\u00fcr\u00fc", kWholeText, &unknown);
    EXPECT_EQ(unknown.count, 2);
    EXPECT_EQ(unknown.first, 5u);
    EXPECT_EQ(unknown.sample, "\u00fc");
    EXPECT_EQ(unknown.stands_in, own ? "<unk>" : "U+FFFD");
    const std::string in_place = own ? "<unk><unk>" : "\uFFFD";
    EXPECT_EQ(tokenizer.decode(ids), fmt::format("a<s>f{0}r{0}", in_place));
  }
}

TEST(Tokenizer, LongRunsOfMarksAreOrderedQuickly) {
  Json json = tiny();
  json.set("normalizer", Json::object().set("type", "NFC"));
  const Tokenizer tokenizer = Tokenizer::from_json(to_string(json), "t");
  std::string text, expected;
  for (int i = 0; i < 100'000; ++i) text += "\xCC\xA3\xCC\x96";  // both below: order kept
  for (int i = 0; i < 100'000; ++i) text += "\xCC\x81\xCC\xA7";  // above (230), cedilla (202)
  const std::string out = tokenizer.decode(tokenizer.encode("x" + text));
  EXPECT_EQ(out.size(), text.size() + 1);
  EXPECT_EQ(out.substr(1, 4), "\xCC\xA7\xCC\xA7");
}

TEST(Tokenizer, TokenBytesAndIds) {
  const Tokenizer& t = english();
  for (int32_t id = 0; id < t.vocab_size(); ++id) {
    ASSERT_FALSE(t.token_bytes(id).empty()) << id;
    ASSERT_EQ(t.token_to_id(t.token_bytes(id)), id);
  }
  EXPECT_EQ(t.token_bytes(t.eos_id()), "<|endoftext|>");
  EXPECT_TRUE(t.is_special(t.eos_id()));
  EXPECT_FALSE(t.is_special(t.eos_id() + 1));
  EXPECT_EQ(t.token_to_id("no such token"), -1);
  EXPECT_THROW(t.token_bytes(-1), Error);
  EXPECT_THROW(t.token_bytes(t.vocab_size()), Error);
  EXPECT_THROW(t.decode(std::vector<int32_t>{0, 1 << 30}), Error);
}

TEST(Tokenizer, ManyThreadsMayEncode) {
  const std::string text = read_file(source_path("ARCHITECTURE.md"));
  const std::vector<int32_t> expected = english().encode(text);
  ASSERT_FALSE(expected.empty());
  std::vector<std::vector<int32_t>> found(4);
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (auto& result : found) threads.emplace_back([&result, &text] { result = english().encode(text); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : found) EXPECT_EQ(result, expected);
}

TEST(StreamDecoder, ShowsWholeCharactersOnly) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  const Tokenizer t = Tokenizer::from_json(to_string(tiny()), "t");
  StreamDecoder stream(t);
  std::string shown;
  for (const int32_t id : t.encode(text)) {
    const std::string part = stream.push(id);
    EXPECT_TRUE(valid_utf8(part));
    shown += part;
  }
  EXPECT_EQ(shown + stream.finish(), text);
  for (const int32_t id : t.encode("x\xF0\x9F")) shown = stream.push(id);
  EXPECT_EQ(shown, "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace hindscan
