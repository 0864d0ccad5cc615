#include "cli/heatmap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "base/utf8.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

// A terminal acts on C0 (except our own newline), DEL, C1 and format characters: none may come out of a token.
bool harmless(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = decode_utf8(text, pos);
    if (!c.valid) return false;
    if (c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0)) return false;
    if ((c.code >= 0x200b && c.code <= 0x200f) || (c.code >= 0x2028 && c.code <= 0x202e)) return false;
    if ((c.code >= 0x2060 && c.code <= 0x206f) || c.code == 0xfeff || c.code == 0x61c || c.code == 0xad) return false;
    pos += c.size;
  }
  return true;
}

TEST(Printable, NamesWhatCannotBeShown) {
  EXPECT_EQ(printable("a\nb\tc").text,
            "a\u23ce"
            "b\u21e5"
            "c");
  EXPECT_EQ(printable("\x1b[2J").text, "\\x1b[2J");
  EXPECT_EQ(printable("\r\x07\x7f").text, "\\x0d\\x07\\x7f");
  EXPECT_EQ(printable("\u009b31m").text, "\\u009b31m");
  EXPECT_EQ(printable("\u202egpj.exe").text, "\\u202egpj.exe");
  EXPECT_EQ(printable("\xe2\x80").text, "<E2><80>");
  EXPECT_EQ(printable(std::string_view("\0", 1)).text, "\\x00");
}

TEST(Printable, WidthsFollowUnicode) {
  EXPECT_EQ(printable("abc").width, 3);
  EXPECT_EQ(printable("\u4e2d\u6587").width, 4);  // wide
  EXPECT_EQ(printable("e\u0301").width, 1);       // combining
  EXPECT_EQ(printable("\u0301").text, "\u25cc\u0301");
  EXPECT_EQ(printable("\U0001f600").width, 2);
  EXPECT_EQ(printable("\x1b").width, 4);
}

TEST(Printable, CutsLongTokensAndMarkFloods) {
  EXPECT_EQ(printable("abcdef", 4).text, "abc\u2026");
  EXPECT_EQ(printable("abcd", 4).text, "abcd");
  EXPECT_EQ(printable("\u4e2d\u6587\u5b57", 4).width, 3);
  std::string flood = "a";
  for (int i = 0; i < 100; ++i) flood += "\u0301";
  EXPECT_LE(printable(flood, 40).width, 40);
  EXPECT_NE(printable(flood, 40).text.find("\\u0301"), std::string::npos);
}

TEST(Printable, LinesKeepNewlines) { EXPECT_EQ(printable_lines("a\n\tb\x1b"), "a\n\tb\\x1b"); }

TEST(Printable, RandomBytesAreHarmless) {
  Rng rng(1, "printable");
  const std::string_view nasty[] = {"\x1b]0;x\x07", "\x1b[31m",         "\u202e", "\u2066",     "\u200b",   "\u009b",
                                    "\r",           "\xf4\x90\x80\x80", "\u2028", "\U000e0041", "</script>"};
  for (int i = 0; i < 20000; ++i) {
    std::string s;
    for (uint64_t n = rng.below(12); n > 0; --n) {
      if (rng.below(3) == 0) {
        s += nasty[rng.below(std::size(nasty))];
      } else {
        s += static_cast<char>(rng.below(256));
      }
    }
    ASSERT_TRUE(harmless(printable(s).text)) << i;
    ASSERT_LE(printable(s, 10).width, 10) << i;
  }
}

TEST(Color, TextIsReadableOnEveryBackground) {
  for (const ColorDepth depth : {ColorDepth::k16, ColorDepth::k256, ColorDepth::kTrue}) {
    for (const bool dark : {true, false}) {
      for (int i = -1000; i <= 1000; ++i) {
        const CellColor c = score_color(i / 1000.0, depth, dark);
        if (!c.colored) continue;
        ASSERT_GE(contrast(c.background, c.text), 4.5) << i << " " << static_cast<int>(depth) << dark;
      }
    }
  }
}

TEST(Color, SignsDifferAndZeroIsPlain) {
  for (const ColorDepth depth : {ColorDepth::k16, ColorDepth::k256, ColorDepth::kTrue}) {
    EXPECT_FALSE(score_color(0, depth, true).colored);
    EXPECT_FALSE(score_color(std::nan(""), depth, true).colored);
    EXPECT_NE(sgr(score_color(0.8, depth, true), depth), sgr(score_color(-0.8, depth, true), depth));
    EXPECT_NE(sgr(score_color(1, depth, true), depth), sgr(score_color(0.3, depth, true), depth));
  }
  EXPECT_EQ(sgr(score_color(1, ColorDepth::kNone, true), ColorDepth::kNone), "");
}

TEST(Heatmap, EscapesOfTokensNeverReachTheTerminal) {
  const std::string hostile[] = {"\x1b[2J\x1b[H", "\x1b]52;c;ZXZpbA==\x07", "\r\x08", "\u202e", "\x9b\x31m"};
  std::vector<HeatToken> tokens;
  for (const std::string& t : hostile) tokens.push_back({t, 0.0, false});
  const std::string plain = render_heatmap(tokens, 1, {ColorDepth::kTrue, true, 80});
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);  // no score, no colour: every ESC would be a token's
  for (HeatToken& t : tokens) t.score = 1;
  std::string colored = render_heatmap(tokens, 1, {ColorDepth::kTrue, true, 80});
  size_t ours = 0;
  for (size_t at = 0; (at = colored.find('\x1b', at)) != std::string::npos; ++at) ++ours;
  EXPECT_EQ(ours, 2 * tokens.size());
}

TEST(Heatmap, BarsStandUnderTheirTokens) {
  const std::vector<HeatToken> tokens = {{"ab", 1, false}, {" c", 0, false}, {"\u4e2d", -1, false}, {"x", 0.1, true}};
  EXPECT_EQ(render_heatmap(tokens, 1, {ColorDepth::kNone, true, 80}), "ab c\u4e2d[x]\n@@  99...\n");
}

TEST(Heatmap, WrapsBetweenTokens) {
  const std::vector<HeatToken> tokens = {{"aaaa", 0, false}, {"bbbb", 0, false}, {"cc\n", 0, false}, {"d", 0, false}};
  EXPECT_EQ(render_heatmap(tokens, 1, {ColorDepth::kNone, true, 10}), "aaaabbbb\ncc\u23ce\nd\n");
  EXPECT_EQ(render_heatmap({}, 1, {ColorDepth::kNone, true, 1}), "");
}

TEST(Heatmap, LinesEndBetweenWordsWhereOneFits) {
  const HeatmapStyle narrow{ColorDepth::kNone, true, 10};
  const auto lines = [&](const std::vector<std::string_view>& bytes) {
    std::vector<HeatToken> tokens;
    tokens.reserve(bytes.size());
    for (const std::string_view b : bytes) tokens.push_back({b, 0, false});
    return render_heatmap(tokens, 1, narrow);
  };
  EXPECT_EQ(lines({"the", " light", "house", ",", " and"}), "the light\nhouse, and\n");  // too long for any line
  EXPECT_EQ(lines({"a", " light", "ho", ",", " and", " b"}), "a lightho,\n and b\n");
  EXPECT_EQ(lines({"on", " a", " sl", "eep", "er", ".", " So"}), "on a\n sleeper.\n So\n");
  EXPECT_EQ(lines({"abcdef", "ghijkl", "mnop"}), "abcdef\nghijklmnop\n");  // no place to break: between tokens
  EXPECT_EQ(lines({"\u4e2d\u6587", "\u4e2d\u6587", "\u4e2d\u6587"}), "\u4e2d\u6587\u4e2d\u6587\n\u4e2d\u6587\n");
  EXPECT_EQ(lines({"aaaa bb", "\n", "c"}), "aaaa bb\u23ce\nc\n");
  // The bars move with their words.
  const std::vector<HeatToken> scored = {
      {"one two", 0, false}, {" th", 1, false}, {"ree", -1, false}, {" x", 0.1, true}};
  EXPECT_EQ(render_heatmap(scored, 1, narrow), "one two\n three[ x]\n@@@999....\n");
}

TEST(Heatmap, NonFiniteScoresAreBlank) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<HeatToken> tokens = {{"a", inf, false}, {"b", std::nan(""), false}};
  EXPECT_EQ(render_heatmap(tokens, inf, {ColorDepth::kNone, true, 80}), "ab\n");
}

TEST(Sparkline, ScalesToTheLargestMagnitude) {
  EXPECT_EQ(sparkline(std::vector<double>{0, 0.5, -1}), "\u2581\u2584\u2588");
  EXPECT_EQ(sparkline(std::vector<double>{}), "");
}

}  // namespace
}  // namespace hindscan::cli
