#include "io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "io/json_reader.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_json(text, "hostile.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    EXPECT_THAT(e.message(), HasSubstr("hostile.json"));
    return e.message();
  }
  return "accepted";
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.message();
  }
  return "accepted";
}

TEST(Json, ReadsEveryType) {
  const Json json =
      parse_json(R"({"a":[1,-2,18446744073709551615,1.5,"x\u00e9\ud83d\ude00\u0000",true,null],"b":{}})", "t");
  const Json::Array& a = json.find("a")->items();
  EXPECT_EQ(a[0].as_int(), 1);
  EXPECT_EQ(a[1].as_int(), -2);
  EXPECT_EQ(a[2].type(), Json::Type::kUint);
  EXPECT_EQ(a[2].as_uint(), UINT64_MAX);
  EXPECT_EQ(a[3].as_double(), 1.5);
  EXPECT_EQ(a[4].as_string(), std::string("x\xC3\xA9\xF0\x9F\x98\x80\0", 8));
  EXPECT_TRUE(a[5].as_bool());
  EXPECT_TRUE(a[6].is_null());
  EXPECT_TRUE(json.find("b")->is_object());
  EXPECT_EQ(json.find("c"), nullptr);
}

std::string zeros(size_t bytes) {
  std::string text(bytes, '0');
  for (size_t i = 1; i + 1 < bytes; i += 2) text[i] = ',';
  return "[" + text + (text.back() == ',' ? "0]" : "]");
}

TEST(CaseC2, ValuesThatTakeMoreThanTheBudgetAreRefusedBeforeTheyAreMade) {
  try {
    parse_json(zeros(32u << 20), "zeros.json");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
    EXPECT_THAT(e.message(), HasSubstr("[zeros.json] expected to need at most 256 MiB of memory"));
    EXPECT_THAT(e.message(), HasSubstr("JSON values"));
  }
  EXPECT_EQ(parse_json(zeros(999'999), "small.json").items().size(), 500'000u);
}

TEST(CaseC2, SignsInsideTextsAreNoValues) {
  const std::string text = "[\"" + std::string(12u << 20, ',') + R"(\\\"[{:", 1])";
  EXPECT_EQ(parse_json(text, "text.json").items().size(), 2u);
}

TEST(CaseC9, ControlsAndBidiMarksAreEscapedAndReadBack) {
  const std::string text = "a\u009b\u0085\u202e\u2066\u200f\u061c\u2028z\u00e9";
  const std::string written = to_string(Json(text));
  EXPECT_EQ(written, R"("a\u009b\u0085\u202e\u2066\u200f\u061c\u2028z)"
                     "\u00e9\"");
  EXPECT_EQ(parse_json(written, "t").as_string(), text);
  EXPECT_EQ(to_string(Json::object().set(text, 1)).find("\u202e"), std::string::npos);
}

TEST(CaseC2, KeysCountToo) {
  std::string text = "{";
  for (int i = 0; i < 3'000'000; ++i) text += fmt::format("\"{}\":0,", i);
  text += "\"\":0}";
  EXPECT_THROW(parse_json(text, "keys.json"), Error);
}

TEST(Json, RefusesHostileText) {
  const std::string deep(1'000'000, '[');
  std::string deep_objects;
  for (int i = 0; i < 100'000; ++i) deep_objects += "{\"a\":";
  const std::string cases[] = {"",
                               " ",
                               "{",
                               "}",
                               "[1,]",
                               "{\"a\":1,}",
                               "{\"a\" 1}",
                               "{a:1}",
                               "'a'",
                               "nul",
                               "tru",
                               "[1 2]",
                               "1 2",
                               "{} {}",
                               "{}x",
                               "01",
                               "+1",
                               "-",
                               ".5",
                               "1.",
                               "1e",
                               "0x10",
                               "NaN",
                               "Infinity",
                               "1e999",
                               "-1e999",
                               "18446744073709551616",
                               "99999999999999999999999",
                               "-9223372036854775809",
                               "\"\\x\"",
                               "\"\\u12\"",
                               "\"\\ud800\"",
                               "\"\\udc00\"",
                               "\"\\ud800\\ud800\"",
                               "\"a\nb\"",
                               "\"\x01\"",
                               "\"\xFF\"",
                               "\"\xC0\xAF\"",
                               "\"\xED\xA0\x80\"",
                               "\"\xF4\x90\x80\x80\"",
                               "\xEF\xBB\xBF",
                               "\xEF\xBB\xBF\xEF\xBB\xBF{}",
                               "{\xEF\xBB\xBF}",
                               "// c\n{}",
                               "{\"a\":1,\"a\":1}",
                               "[{\"k\":1,\"\\u006b\":2}]",
                               deep,
                               deep_objects,
                               std::string("{}\0{}", 5),
                               std::string("\0", 1)};
  for (const std::string& text : cases) EXPECT_NE(refusal(text), "accepted") << text.substr(0, 60);
  EXPECT_THAT(refusal("{\"key\":1,\"key\":2}"), HasSubstr("'key' twice"));
  EXPECT_THAT(refusal(deep + std::string(1'000'000, ']')), HasSubstr("at most 64 deep"));
}

// Python's json refuses the mark in a text and takes it in bytes; config.json, tokenizers, indices and labels all come
// through here.
TEST(Json, AByteOrderMarkIsSkippedAndUtf16IsNamed) {
  EXPECT_EQ(to_string(parse_json("\xEF\xBB\xBF{\"a\":1}", "t")), "{\"a\":1}");
  EXPECT_THAT(refusal(std::string("\xFF\xFE{\0}\0", 6)), HasSubstr("found UTF-16"));
  EXPECT_THAT(refusal(std::string("\0{\0}", 4)), HasSubstr("found UTF-16"));
  EXPECT_THAT(refusal(std::string("\xFE\xFF\0{\0}", 6)), HasSubstr("found UTF-16"));
}

TEST(Json, EveryTruncationIsRefused) {
  const std::string text = R"({"a":[1,2.5,"x\u00e9"],"b":{"c":null,"d":true}})";
  for (size_t n = 0; n < text.size(); ++n) EXPECT_NE(refusal(text.substr(0, n)), "accepted") << n;
}

TEST(Json, DepthLimitIsExact) {
  const auto nested = [](int n) {
    return std::string(static_cast<size_t>(n), '[') + std::string(static_cast<size_t>(n), ']');
  };
  EXPECT_NO_THROW(parse_json(nested(kJsonDepth - 1), "t"));
  EXPECT_NE(refusal(nested(kJsonDepth + 1)), "accepted");
}

TEST(Json, ManyKeysAreReadAndOneDuplicateFound) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("{}\"key{}\":{}", i ? "," : "", i, i);
  EXPECT_EQ(parse_json(text + "}", "t").members().size(), 200'000u);
  EXPECT_THAT(refusal(text + ",\"key777\":0}"), HasSubstr("'key777'"));
}

TEST(Json, NumbersRoundTripExactly) {
  Rng rng(1);
  std::vector<double> values = {0.0,   -0.0,   0.1,     1.0,     1e15,    1e17,
                                1e300, 5e-324, DBL_MAX, DBL_MIN, 1.0 / 3, 123456789.125};
  for (int i = 0; i < 20'000; ++i) {
    const double d = std::bit_cast<double>(rng.next());
    if (std::isfinite(d)) values.push_back(d);
  }
  for (const double d : values) {
    const Json back = parse_json(to_string(Json(d)), "t");
    ASSERT_EQ(back.type(), Json::Type::kDouble) << to_string(Json(d));
    ASSERT_EQ(std::bit_cast<uint64_t>(back.as_double()), std::bit_cast<uint64_t>(d)) << d;
  }
  EXPECT_EQ(to_string(Json(0.1f)), "0.1");
  EXPECT_EQ(to_string(Json(std::numeric_limits<double>::quiet_NaN())), "null");
  EXPECT_EQ(to_string(Json(std::numeric_limits<float>::infinity())), "null");
  EXPECT_EQ(to_string(Json(INT64_MIN)), "-9223372036854775808");
  EXPECT_EQ(to_string(Json(UINT64_MAX)), "18446744073709551615");
}

TEST(Json, WriterEscapes) {
  EXPECT_EQ(to_string(Json(std::string("a\"\\\n\x01\0<", 7))), R"("a\"\\\n\u0001\u0000<")");
  const JsonStyle html{0, true};
  EXPECT_EQ(to_string(Json("</script>&\xE2\x80\xA8\xE2\x80\xA9"), html), R"("\u003c/script\u003e\u0026\u2028\u2029")");
  EXPECT_EQ(to_string(Json("a\xFF")), "\"a\xEF\xBF\xBD\"");
  Json key = Json::object();
  key.set("<k>", 1);
  EXPECT_EQ(to_string(key, html), R"({"\u003ck\u003e":1})");
}

TEST(Json, StructuresRoundTripCompactAndIndented) {
  Json json;
  json.set("list", Json(std::vector<float>{1.5f, 0.1f})).set("none", nullptr).set("empty", Json::array());
  json.set("nested", Json::array().push(Json::object().set("x", "y")));
  EXPECT_EQ(to_string(json), R"({"list":[1.5,0.1],"none":null,"empty":[],"nested":[{"x":"y"}]})");
  EXPECT_EQ(parse_json(to_string(json, {2, false}), "t"), json);
  EXPECT_EQ(to_string(Json::object(), {2, false}), "{}");
  json.set("none", 3);
  EXPECT_EQ(json.find("none")->as_int(), 3);
}

TEST(JsonReader, NamesFileKeyExpectedAndFound) {
  const Json json =
      parse_json(R"({"d":-1,"f":1.5,"s":"x","o":{"k":"v"},"l":[1,2,99],"n":null,"big":18446744073709551615})", "c");
  const JsonReader r(json, "config.json");
  EXPECT_EQ(message_of([&] { r.get_int("d", 1, 64); }), "[config.json: d] expected an integer from 1 to 64, found -1");
  EXPECT_THAT(message_of([&] { r.get_int("f"); }), HasSubstr("expected an integer, found 1.5"));
  EXPECT_THAT(message_of([&] { r.get_int("big"); }), HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(message_of([&] { r.get_int("missing"); }), HasSubstr("missing"));
  EXPECT_THAT(message_of([&] { r.get_int("n"); }), HasSubstr("found null"));
  EXPECT_THAT(message_of([&] { r.get_object("o").get_int("k"); }), HasSubstr("config.json: o.k"));
  EXPECT_THAT(message_of([&] { r.get_ints("l", 0, 10); }), HasSubstr("found 99"));
  EXPECT_THAT(message_of([&] { r.get_bool_or("s", true); }), HasSubstr("true or false"));
  EXPECT_THAT(message_of([&] { JsonReader(Json(1), "x.json"); }), HasSubstr("top level"));
  EXPECT_EQ(r.get_int_or("n", 7), 7);
  EXPECT_EQ(r.get_double("d"), -1.0);
  EXPECT_EQ(r.get_string_or("absent", "z"), "z");
  EXPECT_EQ(r.get_ints("l"), (std::vector<int64_t>{1, 2, 99}));
  EXPECT_FALSE(r.find_object("absent").has_value());
}

}  // namespace
}  // namespace hindscan
