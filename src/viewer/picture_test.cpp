#include "viewer/picture.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cmath>

#include "base/error.h"
#include "base/testing/compare.h"
#include "viewer/axes.h"
#include "viewer/effects_files.h"
#include "viewer/explain_picture.h"
#include "viewer/matrix_picture.h"
#include "viewer/ribbon.h"

namespace hindscan::viewer {
namespace {

struct Pixels {
  uint32_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
  Color at(size_t i) const { return {rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]}; }
  template <class Is>
  int64_t count(const Is& is) const {
    int64_t n = 0;
    for (size_t i = 0; i < rgb.size() / 3; ++i) n += is(at(i)) ? 1 : 0;
    return n;
  }
};

Pixels decoded(const std::string& png) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, png.data(), png.size()), 0);
  image.format = PNG_FORMAT_RGB;
  Pixels out{image.width, image.height, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  EXPECT_NE(png_image_finish_read(&image, nullptr, out.rgb.data(), 0, nullptr), 0);
  return out;
}

bool dark(Color c) { return c.r < 100 && c.g < 100 && c.b < 100; }
bool orange(Color c) { return c.r > 200 && c.g < 120 && c.b < 60; }
bool blue(Color c) { return c.r < 60 && c.g < 120 && c.b > 160; }

double& score(ExplainReport& r, size_t t) { return std::get<std::vector<double>>(r.methods[0].arrays[0].values)[t]; }

ExplainReport report_of(size_t T, size_t L) {
  ExplainReport r;
  r.model = "tiny";
  for (size_t t = 0; t < T; ++t) r.tokens.push_back({static_cast<int32_t>(t), " word", ""});
  r.target = {static_cast<int64_t>(T) - 1, 2, " next", 3, " other", 1.5, 0.5, 0.25};
  MethodReport m;
  m.name = "frozen";
  append(m.arrays, {"model", "", kTargetUnit}, {std::vector<double>(T, 0.0), std::vector<float>(T * L, 0.0f)});
  r.methods.push_back(m);
  for (size_t l = 0; l < L; ++l)
    r.layers.push_back({static_cast<int>(l), {"glr.element", "recurrence", "", ""}, 1e-7, 0});
  return r;
}

Pixels explained(const ExplainReport& r) { return decoded(explain_png(r, 0)); }

TEST(CaseD5, WordsAreDrawn) {
  Picture page;
  page.text(0, 0, "words");
  EXPECT_GT(decoded(page.png(100)).count(dark), 100);
  EXPECT_EQ(decoded(Picture().png(100)).count(dark), 0);
}

TEST(CaseD5, HostileTextIsMadeVisibleAndSaysNothingOnStandardError) {
  testing::internal::CaptureStderr();
  Picture page;
  double width = 0;
  for (const char* text : {"\xff\xfe", "\xe2\x80\xae", "\x1b[2J", "a\nb", "<b>&amp;", "日本語 العربية", ""})
    width = std::max(width, page.text(0, 0, text).width);
  EXPECT_GT(width, 10);
  EXPECT_GT(page.measure("\xe2\x80\xae").width, page.measure("a").width);  // an override is named, not obeyed
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CaseD5, TheTextTheTargetAndBothSignsAreThere) {
  ExplainReport r = report_of(12, 3);
  const Pixels plain = explained(r);
  const int64_t key = plain.count(orange);  // of the colour scale itself
  EXPECT_GT(plain.count(dark), 1000);
  score(r, 4) = 2;
  const Pixels raised = explained(r);
  EXPECT_GT(raised.count(orange), key + 200);
  EXPECT_EQ(raised.count(blue), plain.count(blue));
  score(r, 7) = -2;
  EXPECT_GT(explained(r).count(blue), plain.count(blue) + 200);
  std::get<std::vector<float>>(r.methods[0].arrays[1].values)[5] = -1;
  EXPECT_GT(explained(r).count(blue), plain.count(blue) + 400);
  const std::string before = explain_png(r, 0);
  ExplainReport changed = r;
  changed.target.text = " noxt";
  EXPECT_NE(explain_png(changed, 0), before);
  changed = r;
  changed.target.contrast_text = " othor";
  EXPECT_NE(explain_png(changed, 0), before);
  changed = r;
  changed.tokens[3].text = " ward";
  EXPECT_NE(explain_png(changed, 0), before);
  EXPECT_EQ(explain_png(r, 0), before);
}

TEST(CaseD5, LongTextsAreARibbonWithNamedPeaks) {
  ExplainReport r = report_of(10000, 2);
  const Pixels flat = explained(r);
  score(r, 5) = 1;
  score(r, 9999) = -1;
  const Pixels peaks = explained(r);
  EXPECT_TRUE(agree(peaks.width, flat.width, tol::kPixels));
  EXPECT_LT(peaks.height, 1600u);  // 120 words are written out below it
  EXPECT_GT(peaks.count(orange), flat.count(orange) + 50);
  EXPECT_GT(peaks.count(blue), flat.count(blue) + 50);
  const std::string named = explain_png(r, 0);
  r.tokens[5000].text = " ward";  // neither a peak nor among the last
  EXPECT_EQ(explain_png(r, 0), named);
  r.tokens[5].text = " ward";
  EXPECT_NE(explain_png(r, 0), named);
}

// Names of peaks beside each other, as at the end of a long text: none covers another or the line of another.
TEST(CaseD5, NamesOfPeaksCoverNeitherEachOtherNorTheirLines) {
  for (const double from : {0.0, 300.0, 380.0, 740.0}) {
    std::vector<PeakName> names;
    names.reserve(6);
    for (int i = 0; i < 6; ++i) names.push_back({"name", from + 3 * i, 60.0 + 5 * (i % 3)});
    ASSERT_TRUE(place_names(names)) << from;
    for (const PeakName& a : names) {
      EXPECT_TRUE(a.left >= 0 && a.right <= kWidth) << from;
      for (const PeakName& b : names) {
        if (&a == &b) continue;
        EXPECT_TRUE(a.level != b.level || a.right < b.left || b.right < a.left) << from;
        EXPECT_FALSE(b.level > a.level && a.left < b.at && b.at < a.right) << from << ": a line under a name";
      }
    }
    names.resize(7, {"name", from + 20, 60});
    EXPECT_FALSE(place_names(names)) << from << ": there are six levels";
  }
}

TEST(CaseD5, SentencesAreWrittenInTheWidthOfThePage) {
  ExplainReport r = report_of(200, 0);  // one sentence, without an end
  const Pixels sentence = decoded(explain_png(r, 0, PieceBy::kSentence)), words = decoded(explain_png(r, 0));
  EXPECT_EQ(sentence.width, words.width);
}

TEST(CaseD5, OneTokenNoLayersAndNotANumberAreDrawn) {
  ExplainReport r = report_of(1, 0);
  score(r, 0) = std::nan("");
  EXPECT_GT(explained(r).count(dark), 100);
  EXPECT_THROW(explain_png(ExplainReport{}, 0), Error);
}

MatrixPicture matrix_of(int64_t rows, int64_t cols, const std::vector<float>& values) {
  MatrixPicture m;
  m.title = "title";
  m.rows = rows;
  m.cols = cols;
  m.values = values;
  return m;
}

TEST(CaseD5, MatricesHaveCellsAxesAndScale) {
  const std::vector<float> values = {1, 0, 0, -1, 0, 0};
  MatrixPicture m = matrix_of(2, 3, values);
  const Pixels plain = decoded(matrix_png(m));
  EXPECT_GT(plain.count(orange), 1500);  // a cell of 24 points, 2 pixels each
  EXPECT_GT(plain.count(blue), 1500);
  m.row_names = {"first", "second"};
  m.row_axis = "reading token";
  EXPECT_GT(decoded(matrix_png(m)).count(dark), plain.count(dark));
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3000, 2}, {2, 5000}}) {
    const std::vector<float> large(static_cast<size_t>(rows * cols), 1.0f);
    EXPECT_GT(decoded(matrix_png(matrix_of(rows, cols, large))).count(orange), 400) << rows;
  }
  std::vector<float> holes(3000 * 2, 1.0f);  // of the rows that share a cell, some say nothing
  for (size_t i = 0; i < holes.size(); ++i) holes[i] = i % 4 < 2 ? std::nanf("") : 1.0f;
  EXPECT_EQ(decoded(matrix_png(matrix_of(3000, 2, holes))).count(orange),
            decoded(matrix_png(matrix_of(3000, 2, std::vector<float>(3000 * 2, 1.0f)))).count(orange));
  EXPECT_THROW(matrix_png(matrix_of(0, 3, {})), Error);
}

// The effects at every position: what was not asked is grey, and none of the scale.
TEST(CaseD5, EffectsAreDrawnWithTheWordsOfTheText) {
  PositionEffects e;
  e.by = PieceBy::kWord;
  e.pieces = {{0, 1, "The"}, {1, 2, " old"}, {2, 3, " woman"}};
  e.answers = {e.pieces[1], e.pieces[2], {3, 4, " shook"}};
  e.lost = {0, 0, 0, 2, 2, 0, -2, 0, 2};
  const auto grey = [](Color c) { return c.r == kLine.r && c.g == kLine.g && c.b == kLine.b; };
  const Pixels drawn = decoded(effects_png(e));
  EXPECT_GT(drawn.count(orange), 3 * 1500);
  EXPECT_GT(drawn.count(blue), 1500);
  EXPECT_GT(drawn.count(grey), 4 * 1500);
  e.pieces[1].bytes = e.answers[0].bytes = " extraordinarily";
  EXPECT_GT(decoded(effects_png(e)).count(dark), drawn.count(dark));
}

TEST(CaseD5, TicksAreRoundAndFewEnough) {
  EXPECT_EQ(ticks(0, 3, 12), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(ticks(0, 2, 2), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(ticks(95, 131, 5), (std::vector<int64_t>{100, 110, 120, 130}));
  for (const int64_t n : {1, 13, 999, 123457}) {
    const std::vector<int64_t> some = ticks(0, n, 12);
    EXPECT_LE(some.size(), 12u) << n;
    EXPECT_GE(some.size(), n < 12 ? static_cast<size_t>(n) : 3u) << n;
  }
}

}  // namespace
}  // namespace hindscan::viewer
