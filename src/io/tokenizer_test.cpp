#include "io/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "io/bpe_long.h"
#include "io/byte_level.h"
#include "io/json_reader.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

std::string source_path(const std::string& name) { return join_path(HINDSCAN_SOURCE_DIR, name); }

std::string data_path(const std::string& name) {
  const char* env = std::getenv("HINDSCAN_DATA");
  return join_path(env != nullptr ? env : source_path("../shared/data"), name);
}

std::vector<int32_t> ids_of(const Json& array) {
  std::vector<int32_t> ids;
  for (const Json& id : array.items()) ids.push_back(static_cast<int32_t>(id.as_int()));
  return ids;
}

const Tokenizer& english() {
  static const Tokenizer tokenizer = Tokenizer::load(source_path("models/english"));
  return tokenizer;
}

// A vocabulary of the 256 bytes and the given merges ("a b").
Json tiny(const std::vector<std::string>& merges = {}) {
  Json vocab = Json::object();
  int id = 0;
  for (int b = 0; b < 256; ++b) vocab.set(symbols_of_bytes(std::string(1, static_cast<char>(b))), id++);
  Json list = Json::array();
  for (const std::string& merge : merges) {
    std::string token = merge;
    std::erase(token, ' ');
    if (vocab.find(token) == nullptr) vocab.set(token, id++);
    list.push(merge);
  }
  Json json = Json::object();
  json.set("model", Json::object().set("type", "BPE").set("vocab", vocab).set("merges", list));
  json.set("pre_tokenizer", Json::object().set("type", "ByteLevel").set("add_prefix_space", false));
  return json;
}

Json with_model(Json json, const std::string& key, Json value) {
  Json model = *json.find("model");
  return json.set("model", model.set(key, std::move(value)));
}

std::string refusal(const Json& json) {
  try {
    Tokenizer::from_json(to_string(json), "tok.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    return e.message();
  }
  return "accepted";
}

TEST(TokenizerGolden, EnglishVocabulary) {
  const Json golden = load_json(source_path("tests/golden/tokenizer_english.json"));
  ASSERT_FALSE(golden.find("cases")->items().empty());
  for (const Json& item : golden.find("cases")->items()) {
    const std::string& text = item.find("text")->as_string();
    EXPECT_EQ(english().encode(text), ids_of(*item.find("ids"))) << text;
    EXPECT_EQ(english().decode(ids_of(*item.find("ids"))), text);
  }
}

TEST(TokenizerGolden, VariantsOfEverySection) {
  const Json golden = load_json(source_path("tests/golden/tokenizer_variants.json"));
  for (const Json& variant : golden.find("variants")->items()) {
    Json json = load_json(source_path("models/english/tokenizer.json"));
    for (const auto& [key, value] : variant.find("patch")->members()) json.set(key, value);
    const Tokenizer tokenizer = Tokenizer::from_json(to_string(json), "variant");
    for (const Json& item : variant.find("cases")->items()) {
      EXPECT_EQ(tokenizer.encode(item.find("text")->as_string()), ids_of(*item.find("ids")))
          << variant.find("name")->as_string() << ": " << to_string(*item.find("text"));
    }
  }
}

// Published strings and ids of the GPT-NeoX vocabulary, 47 of each; the last string is empty.
TEST(TokenizerGolden, GptNeoxVectors) {
  const std::string dir = data_path("tokenizers/");
  if (real_fs().kind(dir + "ggml-vocab-mpt.gguf.inp") == FileKind::kNone) GTEST_SKIP() << "skipped: no data";
  const Tokenizer tokenizer = Tokenizer::load(dir + "gpt-neox-20b.tokenizer.json");
  EXPECT_EQ(tokenizer.vocab_size(), 50277);
  EXPECT_EQ(tokenizer.eos_id(), 0);
  const std::string input = read_file(dir + "ggml-vocab-mpt.gguf.inp"), separator = "\n__ggml_vocab_test__\n";
  std::string output = read_file(dir + "ggml-vocab-mpt.gguf.out");
  int passed = 0;
  for (size_t pos = 0, line = 0; pos <= input.size(); ++passed) {
    const size_t end = std::min(input.find(separator, pos), input.size());
    const size_t line_end = std::min(output.find('\n', line), output.size());
    std::string ids;
    const std::string text = input.substr(pos, end - pos);
    for (const int32_t id : tokenizer.encode(text)) ids += fmt::format(" {}", id);
    EXPECT_EQ(ids, output.substr(line, line_end - line)) << text;
    pos = end + separator.size();
    line = line_end + 1;
  }
  EXPECT_EQ(passed, 47);
}

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

// Of a vocabulary without the bytes of "\u00fc" (C3 BC); "<s>" is an added token before it in the text.
TEST(CaseA11, CharactersWithoutTokensAreStoodInForCountedAndPlaced) {
  for (const bool own : {false, true}) {
    Json model = *tiny().find("model"), vocab = Json::object();
    for (const auto& [token, id] : model.find("vocab")->members()) {
      if (token != symbols_of_bytes("\xC3") && token != symbols_of_bytes("\xBC")) vocab.set(token, id);
    }
    vocab.set("<unk>", 256);
    model.set("vocab", vocab);
    if (own) model.set("unk_token", "<unk>");
    const Json added =
        Json::object().set("id", 257).set("content", "<s>").set("special", true).set("normalized", false);
    const Json json = tiny().set("model", model).set("added_tokens", Json::array().push(added));
    const Tokenizer tokenizer = Tokenizer::from_json(to_string(json), "t");
    UnknownText unknown;
    const std::vector<int32_t> ids = tokenizer.encode("a<s>f\u00fcr\u00fc", kWholeText, &unknown);
    EXPECT_EQ(unknown.count, 2);
    EXPECT_EQ(unknown.first, 5u);
    EXPECT_EQ(unknown.sample, "\u00fc");
    EXPECT_EQ(unknown.stands_in, own ? "<unk>" : "U+FFFD");
    const std::string in_place = own ? "<unk><unk>" : "\uFFFD";
    EXPECT_EQ(tokenizer.decode(ids), "a<s>f" + in_place + "r" + in_place);
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
  for (auto& result : found) threads.emplace_back([&result, &text] { result = english().encode(text); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : found) EXPECT_EQ(result, expected);
}

// The definition, quadratic: lowest rank, leftmost.
std::vector<int32_t> merge_by_definition(std::vector<int32_t> ids, const MergeTable& table) {
  for (;;) {
    size_t best = 0;
    MergeRule rule;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const MergeRule found = table.find(ids[i], ids[i + 1]);
      if (found.rank < rule.rank) best = i, rule = found;
    }
    if (rule.rank == UINT32_MAX) return ids;
    ids[best] = rule.merged;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

// Random tables, also such where a later merge makes a pair of a lower rank.
TEST(Bpe, LongWordsMergeByDefinition) {
  Rng rng(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<MergeTable::Pair> pairs;
    int32_t next = 3;
    for (int k = 0; k < 30; ++k) {
      const auto left = static_cast<int32_t>(rng.below(static_cast<uint64_t>(next)));
      const auto right = static_cast<int32_t>(rng.below(static_cast<uint64_t>(next)));
      pairs.push_back({left, right, next++});
    }
    for (size_t i = pairs.size(); i > 1; --i) std::swap(pairs[i - 1], pairs[rng.below(i)]);
    const MergeTable table(pairs);
    std::vector<int32_t> ids(rng.below(500));
    const uint64_t letters = 1 + rng.below(3);
    for (auto& id : ids) id = static_cast<int32_t>(rng.below(letters));
    std::vector<int32_t> merged{-7};
    merged.insert(merged.end(), ids.begin(), ids.end());
    merge_long_word(merged, 1, table);
    ASSERT_EQ(merged[0], -7);
    merged.erase(merged.begin());
    ASSERT_EQ(merged, merge_by_definition(ids, table)) << round;
  }
}

TEST(Bpe, ShortAndLongWordsAgree) {
  Rng rng(6);
  const Tokenizer t =
      Tokenizer::from_json(to_string(tiny({"a a", "aa a", "a b", "b aa", "aa aa", "ab ab", "c c"})), "t");
  std::vector<MergeTable::Pair> pairs;
  for (const char* merge : {"a a", "aa a", "a b", "b aa", "aa aa", "ab ab", "c c"}) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    const std::string left = text.substr(0, space), right = text.substr(space + 1);
    pairs.push_back({t.token_to_id(left), t.token_to_id(right), t.token_to_id(left + right)});
  }
  const MergeTable table(pairs);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (uint64_t n = 1 + rng.below(120); n > 0; --n) word += static_cast<char>('a' + rng.below(3));
    std::vector<int32_t> ids;
    for (const char c : word) ids.push_back(t.token_to_id(std::string(1, c)));
    ASSERT_EQ(t.encode(word), merge_by_definition(ids, table)) << word;
  }
}

TEST(Bpe, MillionsOfOneLetterOnASmallStack) {
  std::vector<std::string> merges = {"A A", "AA AA", "AAAA AAAA"};
  const Tokenizer t = Tokenizer::from_json(to_string(tiny(merges)), "t");
  std::vector<int32_t> ids;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 64 * 1024);
  struct Work {
    const Tokenizer& tokenizer;
    std::vector<int32_t>& ids;
  } work{t, ids};
  pthread_t thread = {};
  const auto run = [](void* p) -> void* {
    auto& w = *static_cast<Work*>(p);
    w.ids = w.tokenizer.encode(std::string(5'000'003, 'A'));
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attr, run, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attr);
  ASSERT_EQ(ids.size(), 625'002u);
  EXPECT_EQ(t.token_bytes(ids[0]), "AAAAAAAA");
  EXPECT_EQ(t.token_bytes(ids[ids.size() - 2]), "AA");
  EXPECT_EQ(t.token_bytes(ids.back()), "A");
}

TEST(MergeTable, LastOfEqualPairsWins) {
  const MergeTable table({{1, 2, 3}, {4, 5, 6}, {1, 2, 7}});
  EXPECT_EQ(table.find(1, 2).rank, 2u);
  EXPECT_EQ(table.find(1, 2).merged, 7);
  EXPECT_EQ(table.find(2, 1).rank, UINT32_MAX);
}

TEST(TokenizerFile, UnsupportedPartsAreNamed) {
  EXPECT_EQ(refusal(tiny({"a b"})), "accepted");
  EXPECT_THAT(refusal(with_model(tiny(), "type", "Unigram")), HasSubstr("model.type"));
  EXPECT_THAT(refusal(with_model(tiny(), "byte_fallback", true)), HasSubstr("byte_fallback"));
  EXPECT_THAT(refusal(with_model(tiny(), "dropout", 0.1)), HasSubstr("dropout"));
  EXPECT_THAT(refusal(with_model(tiny(), "end_of_word_suffix", "</w>")), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(refusal(with_model(tiny(), "unk_token", "<unk>")), HasSubstr("'<unk>'"));
  EXPECT_THAT(refusal(tiny().set("normalizer", Json::object().set("type", "Lowercase"))), HasSubstr("Lowercase"));
  EXPECT_THAT(refusal(tiny().set("pre_tokenizer", nullptr)), HasSubstr("byte-level"));
  EXPECT_THAT(refusal(tiny().set("pre_tokenizer", Json::object().set("type", "Metaspace"))), HasSubstr("Metaspace"));
  EXPECT_THAT(refusal(tiny().set("decoder", Json::object().set("type", "WordPiece"))), HasSubstr("WordPiece"));
  EXPECT_THAT(refusal(tiny().set("post_processor", Json::object().set("type", "BertProcessing"))),
              HasSubstr("BertProcessing"));
}

TEST(TokenizerFile, MalformedPartsAreRefused) {
  const auto merges = [](const char* text) { return with_model(tiny(), "merges", parse_json(text, "t")); };
  for (const char* bad : {R"(["ab"])", R"(["a b c"])", R"([["a"]])", R"([["a","b","c"]])", R"([["a",1]])", R"([1])",
                          R"(["a "])", R"([" a"])", R"(["x y"])", R"([["", "a"]])", R"({"a":"b"})", "null"}) {
    EXPECT_NE(refusal(merges(bad)), "accepted") << bad;
  }
  const auto vocab = [](const char* text) { return with_model(tiny(), "vocab", parse_json(text, "t")); };
  for (const char* bad : {R"({"a":-1})", R"({"a":1.5})", R"({"a":"1"})", R"({"a":4294967296})", R"({"a":2000000})",
                          R"({"a":1,"b":1})", "{}", "[]", "null", R"({"a":18446744073709551615})"}) {
    EXPECT_NE(refusal(vocab(bad)), "accepted") << bad;
  }
  for (const char* bad : {R"({"type":"Split"})", R"({"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"})",
                          R"({"type":"Split","pattern":{"String":""},"behavior":"Isolated"})",
                          R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"MergedWithNext"})",
                          R"({"type":"Sequence","pretokenizers":[]})", R"({"type":"Sequence","pretokenizers":[1]})",
                          R"({"type":"Split","pattern":{"Regex":"[\\S]"},"behavior":"Isolated"})", R"({})",
                          R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"ByteLevel"}]})"}) {
    EXPECT_NE(refusal(tiny().set("pre_tokenizer", parse_json(bad, "t"))), "accepted") << bad;
  }
  for (const char* bad : {R"([1])", R"([{}])", R"([{"id":-1,"content":"x"}])", R"([{"id":900000,"content":"x"}])",
                          R"([{"id":65,"content":"not that byte"}])", R"([{"id":300,"content":"A"}])",
                          R"([{"id":300,"content":"x1"},{"id":300,"content":"x2"}])", R"([{"id":300}])", R"({})"}) {
    EXPECT_NE(refusal(tiny().set("added_tokens", parse_json(bad, "t"))), "accepted") << bad;
  }
  const std::string long_name(513, 'x');
  EXPECT_NE(
      refusal(tiny().set("added_tokens", Json::array().push(Json::object().set("id", 300).set("content", long_name)))),
      "accepted");
}

TEST(TokenizerFile, EveryTruncationIsRefused) {
  const std::string text = to_string(tiny({"a b", "ab c"}));
  for (size_t n = 0; n < text.size(); n += 7) EXPECT_THROW(Tokenizer::from_json(text.substr(0, n), "t"), Error) << n;
}

TEST(TokenizerFile, MissingFileAndBrokenPattern) {
  EXPECT_THROW(Tokenizer::load("/nonexistent/tokenizer.json"), Error);
  // Catastrophic backtracking ends in an error, not in a hang.
  Json json = tiny();
  json.set("pre_tokenizer", parse_json(R"({"type":"Sequence","pretokenizers":[{"type":"Split","behavior":"Isolated",
             "pattern":{"Regex":"(a|aa)+$"}},{"type":"ByteLevel","use_regex":false,"add_prefix_space":false}]})",
                                       "t"));
  const Tokenizer t = Tokenizer::from_json(to_string(json), "t");
  EXPECT_THROW(t.encode(std::string(200, 'a') + "b"), Error);
  EXPECT_EQ(t.encode("aab").size(), 3u);
}

// Found by the fuzzer: the inner pattern's matches must not disturb the outer one's.
TEST(TokenizerFile, PatternsInSequenceDoNotDisturbEachOther) {
  Json json = tiny({"1 2", "3 4", "a b", "c d"});
  json.set("pre_tokenizer", parse_json(R"({"type":"Sequence","pretokenizers":[
             {"type":"Split","behavior":"Isolated","pattern":{"Regex":"[0-9]+"}},
             {"type":"Split","behavior":"Isolated","pattern":{"Regex":"b|2"}},
             {"type":"ByteLevel","use_regex":false,"add_prefix_space":false}]})",
                                       "t"));
  const Tokenizer t = Tokenizer::from_json(to_string(json), "t");
  std::vector<std::string> pieces;
  for (const int32_t id : t.encode("12ab34cd12ab34")) pieces.emplace_back(t.token_bytes(id));
  EXPECT_EQ(pieces, (std::vector<std::string>{"1", "2", "a", "b", "34", "cd", "1", "2", "a", "b", "34"}));
}

TEST(TokenizerFile, MissingByteIsAnErrorOrTheUnknownToken) {
  Json json = with_model(tiny(), "vocab", parse_json(R"({"a":0,"b":1,"?":2})", "t"));
  EXPECT_THROW(Tokenizer::from_json(to_string(json), "t").encode("abc"), Error);
  json = with_model(json, "unk_token", "?");
  EXPECT_EQ(Tokenizer::from_json(to_string(json), "t").encode("abc"), (std::vector<int32_t>{0, 1, 2}));
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
