// tokenizer.json as a file: what is refused, and what its parts mean to each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "io/tokenizer_test_support.h"

namespace hindscan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

// As tokenizers has it: "ignore_merges" looks words up in the vocabulary, of which an added token may be a part.
TEST(CaseA5, AWholeWordMayBeAnAddedTokenThatIsNotMatchedThere) {
  const Json word = Json::object().set("id", 256).set("content", "ab").set("special", false).set("single_word", true);
  Json model = *tiny().find("model"), vocab = *model.find("vocab");
  model.set("vocab", vocab.set("ab", 256)).set("merges", Json::array()).set("ignore_merges", true);
  const Tokenizer t = from(tiny().set("model", model).set("added_tokens", Json::array().push(word)));
  EXPECT_THAT(t.encode("_ab"), ElementsAre(t.encode("_")[0], 256));
}

// Hugging Face reads patterns with Oniguruma, we with PCRE2.
TEST(CaseA5, PatternsThatTwoLibrariesReadDifferentlyAreRefused) {
  const auto with_pattern = [](const std::string& pattern) {
    const Json split = Json::object()
                           .set("type", "Split")
                           .set("pattern", Json::object().set("Regex", pattern))
                           .set("behavior", "Isolated");
    const Json steps = Json::array().push(split).push(Json::object().set("type", "ByteLevel"));
    return refusal(tiny().set("pre_tokenizer", Json::object().set("type", "Sequence").set("pretokenizers", steps)));
  };
  for (const char* bad :
       {"[[:alpha:]]", "[a[bc]]", "[a-z&&b]", "[]a]",  "[^]a]", "[\\S]",    "[^\\W]", "[\\H]", "\\X",   "\\G",
        "a\\K",        "\\Qa\\E", "(a)\\1",   "\\N",   "\\xe9", "a(?i)b|c", "(?m).",  "(?s).", "(?x)a", "(?<n>a)",
        "(*UCP)a",     "(?#a)",   "a{1,2}+",  "a{2}+", "a{2}?", "a{,2}",    "\\pL",   "\\p{L"}) {
    EXPECT_THAT(with_pattern(bad), HasSubstr("reads alike")) << bad;
  }
  EXPECT_THAT(with_pattern("\\p{Emoji}"), HasSubstr("expected a regular expression"));
  for (const char* good : {"\\[\\]", "[\\[\\]\\^&]", "(?i)a|b", "(?i:'s|'t)|\\p{N}{1,3}", "a{1,2}?", "[^\\s\\w\\h]++",
                           "\\x41|\\x{e9}", "(?<=a)\\R|(?<!b)(?>c)", "\\p{^L}|\\P{Han}|\\p{Any}", "]a-", "\\Aa\\Z"}) {
    EXPECT_EQ(with_pattern(good), "accepted") << good;
  }
}

Json added(int64_t id, const std::string& content, const std::string& flag = "special") {
  return Json::object().set("id", id).set("content", content).set("special", false).set(flag, true);
}

Json with_added(Json json, const std::vector<Json>& tokens) { return json.set("added_tokens", Json(tokens)); }

std::vector<std::string> remarks_on(const Json& json) {
  std::vector<std::string> said;
  const LogSink before = set_log_sink([&](LogLevel, std::string_view text) { said.emplace_back(text); });
  from(json);
  set_log_sink(before);
  return said;
}

// transformers resets both at every call that asks for neither, and calls without them are the rule.
TEST(CaseA5, TruncationAndPaddingAreSaidToBeNotApplied) {
  const Json cut = parse_json(R"({"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0})", "t");
  const Json pad = parse_json(R"({"strategy":{"Fixed":9},"direction":"Left","pad_id":0,"pad_token":"!"})", "t");
  const Json json = tiny().set("truncation", cut).set("padding", pad);
  EXPECT_EQ(from(json).encode("abcde").size(), 5u);
  EXPECT_THAT(remarks_on(json),
              ElementsAre(HasSubstr("truncation] is not applied"), HasSubstr("padding] is not applied")));
  EXPECT_THAT(remarks_on(tiny().set("truncation", nullptr)), IsEmpty());
  EXPECT_THAT(refusal(tiny().set("truncation", 5)), HasSubstr("truncation] expected an object, found 5"));
}

TEST(CaseA5, KeysThatNobodyKnowsAreSaidOnceAndOtherVersionsRefused) {
  Json json = with_model(tiny(), "new_model_key", 1).set("new_key", true);
  const Json step = Json::object().set("type", "ByteLevel").set("add_prefix_space", false).set("new_step_key", 1);
  json.set("pre_tokenizer", Json::object().set("type", "Sequence").set("pretokenizers", Json::array().push(step)));
  EXPECT_THAT(remarks_on(json), ElementsAre(AllOf(HasSubstr("3 keys"), HasSubstr("model.new_model_key"),
                                                  HasSubstr(" new_key"), HasSubstr("pre_tokenizer.new_step_key"))));
  EXPECT_THAT(remarks_on(load_json(source_path("models/english/tokenizer.json"))), IsEmpty());
  EXPECT_THAT(refusal(tiny().set("version", "2.0")), HasSubstr("expected \"1.0\", found \"2.0\""));
}

TEST(TokenizerFile, AddedTokensHaveTheIdsThatHuggingFaceGivesThem) {
  const Json first = added(256, "<a>");
  EXPECT_THAT(remarks_on(with_added(tiny(), {first, added(257, "<b>")})), IsEmpty());
  EXPECT_THAT(remarks_on(with_added(tiny(), {added(65, "A"), first})), IsEmpty());
  const Json gap = with_added(tiny(), {first, added(259, "<b>"), added(258, "<c>"), added(259, "<b>", "rstrip")});
  EXPECT_THAT(remarks_on(gap), ElementsAre(HasSubstr("'<b>' is 257 and not 259")));
  EXPECT_THAT(from(gap).encode("<c><b> <a>"), ElementsAre(258, 257, 256));
  EXPECT_THAT(refusal(with_added(tiny(), {first, added(257, "<a>")})), HasSubstr("expected 256 for '<a>'"));
  EXPECT_THAT(refusal(with_added(tiny(), {added(300, "<a>"), added(300, "<b>")})), HasSubstr("expected a free id"));
}

// The last line holds, as for Hugging Face.
TEST(TokenizerFile, AnAddedTokenThatIsThereTwice) {
  const Tokenizer t = from(with_added(tiny(), {added(256, "<a>", "lstrip"), added(256, "<a>", "rstrip")}));
  EXPECT_EQ(t.encode("x <a> y"), (std::vector<int32_t>{'x', ' ', 256, 'y'}));
}

TEST(TokenizerFile, TemplatesSayOnceWhereTheTextStands) {
  const auto with = [](const char* single, const char* wrap = "{}") {
    const std::string one = fmt::format(
        R"({{"type":"TemplateProcessing","single":{},"special_tokens":{{"<a>":{{"id":"<a>","ids":[256]}}}}}})", single);
    const std::string all = fmt::format(fmt::runtime(wrap), one, one);
    return with_added(tiny(), {added(256, "<a>")}).set("post_processor", parse_json(all, "t"));
  };
  const char* good = R"([{"SpecialToken":{"id":"<a>"}},{"Sequence":{"id":"A"}}])";
  EXPECT_EQ(refusal(with(good)), "accepted");
  EXPECT_THAT(refusal(with(R"([{"SpecialToken":{"id":"<a>"}}])")),
              HasSubstr("expected a Sequence for the text, found none"));
  EXPECT_THAT(refusal(with(R"([{"Sequence":{"id":"B"}}])")), HasSubstr("expected the text A once"));
  EXPECT_THAT(refusal(with(R"([{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}])")),
              HasSubstr("expected the text A once"));
  EXPECT_THAT(refusal(with(good, R"({{"type":"Sequence","processors":[{},{}]}})")),
              HasSubstr("expected one TemplateProcessing"));
}

// A million tokens that each strip the rest of the text: the rest is walked once.
TEST(TokenizerFile, StrippingOverlappingRunsIsLinear) {
  const Tokenizer t = from(with_added(tiny(), {added(256, " ", "rstrip")}));
  EXPECT_EQ(t.encode(std::string(1'000'000, ' ')).size(), 1'000'000u);
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

TEST(CaseA5, FusedUnknownsAreRefusedWhereThereCanBeAny) {
  EXPECT_EQ(refusal(with_model(tiny(), "fuse_unk", true)), "accepted");
  const Json few = with_model(with_model(tiny(), "vocab", parse_json(R"({"a":0,"b":1,"?":2})", "t")), "fuse_unk", true);
  EXPECT_EQ(refusal(few), "accepted");
  EXPECT_THAT(refusal(with_model(few, "unk_token", "?")), HasSubstr("model.fuse_unk] expected false, found true"));
}

TEST(TokenizerFile, MissingByteIsAnErrorOrTheUnknownToken) {
  Json json = with_model(tiny(), "vocab", parse_json(R"({"a":0,"b":1,"?":2})", "t"));
  EXPECT_THROW(Tokenizer::from_json(to_string(json), "t").encode("abc"), Error);
  json = with_model(json, "unk_token", "?");
  EXPECT_EQ(Tokenizer::from_json(to_string(json), "t").encode("abc"), (std::vector<int32_t>{0, 1, 2}));
}

}  // namespace
}  // namespace hindscan
