#include "viewer/html.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/utf8.h"
#include "viewer/assets.h"
#include "viewer/base64.h"

namespace hindscan::viewer {
namespace {

constexpr size_t kLayers = 2;

ExplainReport report_of(const std::vector<std::string>& texts) {
  const size_t T = texts.size();
  ExplainReport r;
  r.model = texts[0];
  for (const std::string& t : texts) r.tokens.push_back({1, replace_invalid_utf8(t), valid_utf8(t) ? "" : t});
  r.target = {static_cast<int64_t>(T) - 1, 2, texts.back(), 3, texts.front(), 1.5, 0.5, 0.25};
  MethodReport m;
  m.name = "frozen";
  ScoreMap map;
  for (size_t t = 0; t < T; ++t) map.scores.push_back(static_cast<double>(t) - 1);
  for (size_t i = 0; i < T * kLayers; ++i) map.layers.push_back(static_cast<float>(i) / 3 - 1);
  append(m.arrays, {"model", "", kTargetUnit}, map);
  r.methods.push_back(m);
  for (size_t l = 0; l < kLayers; ++l)
    r.layers.push_back({static_cast<int>(l), {"glr.element", "recurrence", "", ""}, 1e-7, 0});
  return r;
}

std::string island(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

size_t count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; ++at) ++n;
  return n;
}

const std::vector<std::string> kHostile = {"</script><script>alert(1)</script>",
                                           "<!--<script>",
                                           "]]>",
                                           "\"'`${x}\\",
                                           "\xe2\x80\xa8\xe2\x80\xa9",
                                           "{{script}}{{csp}}",
                                           "\x1b[2J",
                                           "<img src=x onerror=alert(1)>",
                                           "\xff\xfe<",
                                           "&lt;script&gt;",
                                           "javascript:alert(1)",
                                           "\xe2\x80\xae"};

TEST(HtmlReport, HostileTokensStayInsideTheIsland) {
  const std::string page = html_report(report_of(kHostile)), benign = html_report(report_of({"a", "b"}));
  EXPECT_EQ(count(page, "<script"), count(benign, "<script"));
  EXPECT_EQ(count(page, "<img"), 0u);
  const std::string data = island(page);
  for (const char c : {'<', '>', '&'}) EXPECT_EQ(data.find(c), std::string::npos) << c;
  EXPECT_EQ(page.find("\xe2\x80\xa8"), std::string::npos);
  EXPECT_EQ(page.find("\xe2\x80\xa9"), std::string::npos);
  const Json parsed = parse_json(data, "island");
  const Json::Array& tokens = parsed.find("report")->find("tokens")->items();
  ASSERT_EQ(tokens.size(), kHostile.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(tokens[i].find("text")->as_string(), replace_invalid_utf8(kHostile[i]));
}

TEST(HtmlReport, RandomTokenSetsNeverOpenATag) {
  Rng rng(3, "html");
  for (int set = 0; set < 300; ++set) {
    std::vector<std::string> texts;
    for (uint64_t n = 1 + rng.below(20); n > 0; --n) {
      std::string text = kHostile[rng.below(kHostile.size())];
      for (uint64_t k = rng.below(6); k > 0; --k)
        text.insert(rng.below(text.size() + 1), 1, static_cast<char>(rng.below(256)));
      texts.push_back(text);
    }
    const std::string data = island(html_report(report_of(texts)));
    ASSERT_EQ(data.find_first_of("<>&"), std::string::npos) << set;
    ASSERT_NO_THROW(parse_json(data, "island")) << set;
  }
}

TEST(HtmlReport, PolicyAllowsNothingButTheTwoHashes) {
  const std::string page = html_report(report_of({"a"}));
  const size_t begin = page.find("default-src 'none'");
  ASSERT_NE(begin, std::string::npos);
  const std::string policy = page.substr(begin, page.find('"', begin) - begin);
  EXPECT_EQ(count(policy, "'sha256-"), 2u);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_LT(begin, page.find("<style>"));  // a policy counts only for what follows it
  EXPECT_EQ(count(page, "http://"), 1u);   // the SVG namespace
  EXPECT_EQ(count(page, "https://"), 0u);
}

TEST(HtmlReport, ShellIsSmallAndWhole) {
  EXPECT_LE(kShell.text.size() + kScript.text.size() + kStyle.text.size(), 60u * 1024);
  EXPECT_EQ(count(kScript.text, "</script"), 0u);
  EXPECT_EQ(count(kScript.text, "innerHTML"), 0u);
  const std::string page = html_report(report_of({"a"}));
  EXPECT_NE(page.find(std::string("<style>") + std::string(kStyle.text) + "</style>"), std::string::npos);
  EXPECT_NE(page.find(std::string("<script>") + std::string(kScript.text) + "</script>"), std::string::npos);
}

TEST(HtmlReport, LayersArePackedWithinHalfAStep) {
  const ExplainReport r = report_of({"a", "b", "c"});
  const Json data = parse_json(island(html_report(r)), "island");
  const Json* packed = data.find("views")->items()[0].items()[0].find("layers");
  EXPECT_EQ(packed->find("bits")->as_int(), 16);
  const double scale = packed->find("scale")->as_double();
  EXPECT_TRUE(agree(scale * 32767, largest(r.methods[0].layers()), tol::kF32Forward));  // all 16 bits in use
  std::vector<uint8_t> expected;
  for (const float v : r.methods[0].layers()) {
    const auto q = static_cast<int16_t>(std::lround(static_cast<double>(v) / scale));
    expected.push_back(static_cast<uint8_t>(q & 255));
    expected.push_back(static_cast<uint8_t>(q >> 8 & 255));
  }
  EXPECT_EQ(packed->find("data")->as_string(), base64(expected));
}

TEST(HtmlReport, WhatIsToldByLayerAloneShowsItsSum) {
  ExplainReport r = report_of({"a", "b", "c"});
  r.methods[0].arrays.push_back(layer_array({"value-path", "", kTargetUnit, "model"}, {1, 2, 3, 10, 20, 30}, 3));
  const Json views = *parse_json(island(html_report(r)), "island").find("views");
  ASSERT_EQ(views.items()[0].items().size(), 2u);
  EXPECT_EQ(to_string(*views.items()[0].items()[1].find("scores")), "[11.0,22.0,33.0]");
  EXPECT_EQ(views.items()[0].items()[0].find("scores"), nullptr);  // they stand in the report
}

// What follows the target plays no part: no piece reaches across it.
TEST(HtmlReport, PiecesEndWithTheTarget) {
  ExplainReport r = report_of({"un", "like", "ly", " cat"});
  const auto words = [&](int64_t position) {
    r.target.position = position;
    return to_string(*parse_json(island(html_report(r)), "island").find("groups")->find("word"));
  };
  EXPECT_EQ(words(3), "[[0,3]]");
  EXPECT_EQ(words(1), "[[0,2]]");
  EXPECT_EQ(words(0), "[[1,3]]");
}

// The page says what a score means in the words of the terminal.
TEST(HtmlReport, SaysWhatAnEditWasAndWhatItsScoresMean) {
  ExplainReport r = report_of({"a", "b"});
  const auto said = [&](const char* key) {
    return to_string(parse_json(island(html_report(r)), "island").find(key)->items()[0]);
  };
  EXPECT_EQ(said("signs"), R"(["raise the target","lower it"])");
  EXPECT_EQ(said("legends"), R"("")");
  EXPECT_EQ(said("edits"), R"("")");
  r.methods[0].effect_of = EditKind::kRemove;
  r.methods[0].found = {Found::kMeasured, Found::kNotAsked};
  EXPECT_EQ(said("signs"), R"(["removing it lowers the preference","removing it raises the preference"])");
  EXPECT_NE(said("legends").find("without it the preference for"), std::string::npos);
  const Json data = parse_json(island(html_report(r)), "island");
  EXPECT_NE(to_string(*data.find("notes")).find("asked: each token removed, alone; the other answer"),
            std::string::npos);
  EXPECT_EQ(said("edits"), R"("token")");
  EXPECT_EQ(said("trust"), R"("")");
  r.methods[0].trust = "all were really run";
  EXPECT_EQ(said("trust"), R"("Checked: all were really run.")");
}

// Names and places are the terminal's, too.
TEST(HtmlReport, NamesAnswersAndPlacesAsTheTerminalDoes) {
  ExplainReport r = report_of({"and", " he", " and", " it"});
  r.target.position = 3;
  r.target.text = " said";
  r.target.also = {1};
  r.target.also_texts = {" asked"};
  r.methods[0].effect_of = EditKind::kRemove;
  r.methods[0].found = {Found::kMeasured, Found::kMeasured, Found::kMeasured, Found::kNotAsked};
  const Json data = parse_json(island(html_report(r)), "island");
  EXPECT_EQ(data.find("answers")->items()[0].as_string(), R"("said" or "asked")");
  EXPECT_EQ(data.find("written")->as_string(), " said or asked");
  EXPECT_EQ(to_string(data.find("places")->items()[0]), R"j({"0":" in \"and he\"","2":" in \"he and it\""})j");
  EXPECT_EQ(data.find("hops")->as_string(), "");
}

TEST(HtmlReport, NothingToShowIsAnError) { EXPECT_THROW(html_report(ExplainReport{}), Error); }

TEST(Base64, Rfc4648Vectors) {
  const auto encode = [](std::string_view s) { return base64(as_bytes(s)); };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode("\xff\xef\xbe"), "/+++");
}

}  // namespace
}  // namespace hindscan::viewer
