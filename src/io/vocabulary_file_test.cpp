// Greedy vocabularies: RWKV World's file, characters, bytes.
#include "io/vocabulary_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cstdlib>

#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/rng.h"
#include "io/tokenizer.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

Tokenizer read(std::string_view text, const std::string& label = "vocab.txt") {
  return Tokenizer::from_json(tokenizer_json_of_vocabulary(text, label), label);
}

std::string refusal(std::string_view text, const std::string& label = "vocab.txt") {
  try {
    read(text, label);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.message(), HasSubstr("[" + label + "]"));
    return e.message();
  }
  return "accepted";
}

std::string refusal_of_json(std::string_view text) {
  try {
    read(text, "tokenizer.json");
  } catch (const Error& e) {
    return e.message();
  }
  return "accepted";
}

using Ids = std::vector<int32_t>;

TEST(VocabularyFile, CharactersInEveryForm) {
  for (const auto& [label, text] : std::vector<std::pair<std::string, std::string>>{
           {"v.txt", "ab\xc3\xa9\xe2\x82\xac"},
           {"v.txt", "ab\xc3\xa9\xe2\x82\xac\n"},
           {"v.txt", "a\nb\n\xc3\xa9\n\xe2\x82\xac\n"},
           {"v.json", "[\"a\", \"b\", \"\xc3\xa9\", \"\xe2\x82\xac\"]"},
           {"v.json", "{\"b\": 1, \"a\": 0, \"\xe2\x82\xac\": 3, \"\xc3\xa9\": 2}"},
           {"v.json", R"({"0": "a", "1": "b", "3": "\u20ac", "2": "\u00e9"})"}}) {
    const Tokenizer t = read(text, label);
    EXPECT_EQ(t.vocab_size(), 4) << text;
    EXPECT_EQ(t.encode("b\xe2\x82\xac"
                       "a\xc3\xa9"),
              (Ids{1, 3, 0, 2}))
        << text;
    EXPECT_EQ(t.decode(Ids{2, 0}),
              "\xc3\xa9"
              "a");
    EXPECT_EQ(t.eos_id(), -1);
  }
}

TEST(VocabularyFile, TextOutsideTheVocabularyIsRefusedByItsCharacter) {
  const Tokenizer t = read("0123456789,#");
  EXPECT_EQ(t.encode("12,#"), (Ids{1, 2, 10, 11}));
  try {
    t.encode("12\xe2\x82\xac");
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.message(), HasSubstr("\xe2\x82\xac"));
  }
  EXPECT_THROW(t.encode(std::string_view("\0", 1)), Error);
  EXPECT_TRUE(t.encode("").empty());
}

TEST(VocabularyFile, ATokenizerJsonIsItselfUnderAnyName) {
  const std::string json = byte_tokenizer_json();
  EXPECT_EQ(tokenizer_json_of_vocabulary(json, "tokenizer.json"), json);
  EXPECT_EQ(tokenizer_json_of_vocabulary(json, "tok"), json);
  EXPECT_EQ(read("{}[]a").encode("a}"), (Ids{4, 1}));
}

TEST(VocabularyFile, WrongFilesAreToldWhere) {
  EXPECT_THAT(refusal(""), HasSubstr("at least one character"));
  EXPECT_THAT(refusal("aba"), HasSubstr("'a' twice"));
  EXPECT_THAT(refusal("ab\ncd\n"), HasSubstr("one character for token 0, found 'ab'"));
  EXPECT_THAT(refusal("a\xff"), HasSubstr("token 1"));
  EXPECT_THAT(refusal("[\"a\", 1]", "v.json"), HasSubstr("expected characters"));
  EXPECT_THAT(refusal("[\"ab\"]", "v.json"), HasSubstr("found 'ab'"));
  EXPECT_THAT(refusal("{\"a\": -1}", "v.json"), HasSubstr("ids from 0 on"));
  EXPECT_THAT(refusal("{\"a\": 99999999}", "v.json"), HasSubstr("ids from 0 on"));
  EXPECT_THAT(refusal("{\"a\": 1, \"b\": 1}", "v.json"), HasSubstr("1 twice"));
  EXPECT_THAT(refusal("{\"a\"", "v.json"), HasSubstr("[v.json"));
  EXPECT_THAT(refusal("1 'a' 1\n2 'bc' 1\n"), HasSubstr("line 2"));
  EXPECT_THAT(refusal("1 'a' 1\n1 'b' 1\n"), HasSubstr("line 2: expected each id once"));
  EXPECT_THAT(refusal("1 'a' 1\n2 'a' 1\n"), HasSubstr("each token once"));
  EXPECT_THAT(refusal("1 'a' 1\n0 'b' 1\n"), HasSubstr("ids from 1 on"));
  EXPECT_THAT(refusal("1 'a' 1\n900000 'b' 1\n"), HasSubstr("ids from 1 on"));
  for (const std::string literal :
       {"'a'b'", "'\\'", "'\\q'", "'\\x1'", "'\\ud800'", "'\\U00110000'", "b'\\u0041'", "x'a'", "'a\"", "''"}) {
    EXPECT_THAT(refusal("1 'a' 1\n2 " + literal + " 1\n"), HasSubstr("line 2")) << literal;
  }
}

// Whatever it lacks: nobody meant its keys as characters.
TEST(VocabularyFile, ATokenizerJsonWithoutAModelIsToldSo) {
  for (const char* text : {R"({"version": "1.0", "added_tokens": []})", R"({"version": "1.0", "model": null})"})
    EXPECT_THAT(refusal_of_json(text), HasSubstr("[tokenizer.json: model] expected")) << text;
  EXPECT_THAT(refusal(R"({"b": 0, "kind": "a"})", "v.json"), HasSubstr("ids from 0 on, found 'kind'"));
  EXPECT_THAT(refusal(R"({"a": -5})", "v.json"), HasSubstr("ids from 0 on, found '-5'"));
}

TEST(VocabularyFile, WorldLinesAreReadAsPythonWritesThem) {
  const Tokenizer t = read(
      "1 'a' 1\n2 'ab' 2\n3 \"'\" 1\n4 ' \"' 2\n5 '\\n' 1\n6 '\\x00' 1\n7 '\\u20ac' 3\n8 '\xc3\xa9' 2\n9 b'\\xe2\\x82' "
      "2\n10 '\\\\' 1\n12 "
      "'\\xe9x' 3\n");
  EXPECT_EQ(t.vocab_size(), 13);
  EXPECT_EQ(t.encode("aab"), (Ids{1, 2}));
  EXPECT_EQ(t.encode("'a \"\n\\"), (Ids{3, 1, 4, 5, 10}));
  EXPECT_EQ(t.encode(std::string_view("\0\xe2\x82\xac\xe2\x82", 6)), (Ids{6, 7, 9}));
  EXPECT_EQ(t.encode("\xc3\xa9\xc3\xa9x"), (Ids{8, 12}));
  EXPECT_EQ(t.eos_id(), 0);
  EXPECT_EQ(t.token_to_id("<|endoftext|>"), 0);
  EXPECT_EQ(t.encode("a<|endoftext|>a"), (Ids{1, 0, 1}));
  EXPECT_EQ(t.token_bytes(11), "");
}

TEST(VocabularyFile, BytesAreTokens) {
  const Tokenizer t = Tokenizer::from_json(byte_tokenizer_json(), "bytes");
  std::string all;
  Ids expected;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b), expected.push_back(b);
  EXPECT_EQ(t.encode(all), expected);
  EXPECT_EQ(t.decode(expected), all);
  EXPECT_EQ(t.vocab_size(), 256);
}

// A plain reading of the rule, token by token over the whole vocabulary.
Ids slow_encode(const std::vector<std::string>& tokens, std::string_view text) {
  Ids out;
  while (!text.empty()) {
    size_t best = 0;
    for (size_t id = 1; id < tokens.size(); ++id) {
      if (tokens[id].size() > tokens[best].size() && text.starts_with(tokens[id])) best = id;
    }
    out.push_back(static_cast<int32_t>(best));
    text.remove_prefix(tokens[best].size());
  }
  return out;
}

TEST(VocabularyFile, WorldVocabularyEncodesAnyBytes) {
  const char* env = std::getenv("HINDSCAN_DATA");
  const std::string path = join_path(env != nullptr ? env : join_path(HINDSCAN_SOURCE_DIR, "../shared/data"),
                                     "tokenizers/rwkv_vocab_v20230424.txt");
  if (real_fs().kind(path) == FileKind::kNone) GTEST_SKIP() << "skipped: no data";
  const std::string file = read_file(path);
  const Tokenizer t = read(file, path);
  EXPECT_EQ(t.vocab_size(), 65530);
  EXPECT_EQ(t.decode(Ids{33213, 65529}).size(), t.token_bytes(33213).size() + 128);
  const std::vector<std::string> tokens = parse_rwkv_vocabulary(file, path);
  Rng rng(3, "world");
  std::string noise;
  for (int i = 0; i < 60; ++i) noise += static_cast<char>(rng.next());
  for (const std::string& text : {std::string("The Eiffel tower is in the city of Paris.\n\n  Hello"),
                                  std::string("\xe4\xbd\xa0\xe5\xa5\xbd, \xf0\x9f\x98\x80!"), noise}) {
    const Ids ids = t.encode(text);
    EXPECT_EQ(ids, slow_encode(tokens, text));
    EXPECT_EQ(t.decode(ids), text);
  }
  for (int32_t id = 1; id < t.vocab_size(); id += 97) EXPECT_EQ(t.encode(t.token_bytes(id)), (Ids{id}));
}

}  // namespace
}  // namespace hindscan
