#include "viewer/ribbon.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/printable.h"
#include "viewer/axes.h"

namespace hindscan::viewer {
namespace {

constexpr size_t kPeaks = 24, kLevels = 6;
constexpr double kLevel = 16, kApart = 8;
constexpr int kColumns = 380;  // two points wide: one strong token among thousands is seen

struct Label {
  std::string text;
  double at = 0, left = 0, right = 0, y = 0;
};

std::vector<size_t> strongest(const std::vector<double>& scores, size_t count) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto size = [&](size_t i) { return std::isfinite(scores[i]) ? std::abs(scores[i]) : 0; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return size(a) > size(b); });
  order.resize(std::min(count, order.size()));
  return order;
}

// Each on the lowest level where its name does not cover another; what finds no level is left out.
std::vector<Label> placed(Picture& page, double below, std::span<const Piece> pieces,
                          const std::vector<double>& scores) {
  std::vector<std::vector<Label>> levels(kLevels);
  for (const size_t i : strongest(scores, kPeaks)) {
    Label label{fmt::format("{} {:+.2g}", quoted(pieces[i].bytes, kNameColumns), scores[i])};
    const double width = page.measure(label.text, {.size = 11}).width;
    label.at = (static_cast<double>(i) + 0.5) / static_cast<double>(pieces.size()) * kWidth;
    label.left = std::clamp(label.at - width / 2, 0.0, kWidth - width);
    label.right = label.left + width;
    const auto is_free = [&](const std::vector<Label>& level) {
      return std::none_of(level.begin(), level.end(), [&](const Label& other) {
        return label.left < other.right + kApart && other.left < label.right + kApart;
      });
    };
    const auto level = std::find_if(levels.begin(), levels.end(), is_free);
    if (level == levels.end()) continue;
    label.y = below - kLevel * static_cast<double>(level - levels.begin() + 1);
    level->push_back(label);
  }
  std::vector<Label> out;
  for (const auto& level : levels) out.insert(out.end(), level.begin(), level.end());
  return out;
}

// The lines first: names cover them, never the other way round.
double draw_peaks(Picture& page, double y, std::span<const Piece> pieces, const std::vector<double>& scores) {
  const double below = y + kLevel * kLevels;
  const std::vector<Label> labels = placed(page, below, pieces, scores);
  for (const Label& label : labels) page.line(label.at, label.y, label.at, below, kSoft);
  for (const Label& label : labels) {
    page.fill(label.left - 2, label.y, label.right - label.left + 4, kLevel - 2, kPaper);
    page.text(label.left, label.y, label.text, {.size = 11});
  }
  return below + 2;
}

}  // namespace

double draw_row(Picture& page, double y, double height, const std::vector<double>& values, double top) {
  std::vector<Color> colors;
  for (const double v : strongest_columns(values, kColumns)) colors.push_back(signed_color(top > 0 ? v / top : 0));
  page.cells(0, y, kWidth, height, 1, static_cast<int>(colors.size()), colors);
  return y + height;
}

double draw_positions(Picture& page, double y, int64_t tokens) {
  double height = 0;
  for (const int64_t t : ticks(0, tokens, 12)) {
    const double x = (static_cast<double>(t) + 0.5) / static_cast<double>(tokens) * kWidth;
    page.line(x, y, x, y + 4, kSoft);
    height = page.text(x, y + 5, fmt::format("{}", t), {.size = 11, .color = kSoft, .align = Align::kCenter}).height;
  }
  y += height + 5;
  return y + page.text(kWidth / 2, y, "token number", {.size = 11, .color = kSoft, .align = Align::kCenter}).height;
}

double draw_ribbon(Picture& page, double y, std::span<const Piece> pieces, const std::vector<double>& scores,
                   int64_t tokens) {
  constexpr double kHeight = 36;
  y = draw_peaks(page, y, pieces, scores);
  const double below = draw_row(page, y, kHeight, scores, largest(scores));
  page.frame(0, y, kWidth, kHeight, kLine);
  return draw_positions(page, below + 2, tokens);
}

}  // namespace hindscan::viewer
