#include "viewer/ribbon.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "explain/score_array.h"
#include "io/printable.h"
#include "viewer/axes.h"

namespace hindscan::viewer {
namespace {

constexpr size_t kPeaks = 24;
constexpr int kLevels = 6;
constexpr double kLevel = 16, kApart = 8, kBeside = 4;
constexpr int kColumns = 380;  // two points wide: one strong token among thousands is seen

// The strongest pieces, the strongest first; none that counts for nothing.
std::vector<size_t> strongest(const std::vector<double>& scores, size_t count) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::erase_if(order, [&](size_t i) { return !std::isfinite(scores[i]) || scores[i] == 0; });
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(scores[a]) > std::abs(scores[b]); });
  order.resize(std::min(count, order.size()));
  return order;
}

bool covers(const PeakName& name, const PeakName& other) {
  return other.level > name.level && name.left - kBeside < other.at && other.at < name.right + kBeside;
}

bool collide(const PeakName& a, const PeakName& b) {
  if (a.level == b.level) return a.left < b.right + kApart && b.left < a.right + kApart;
  return covers(a, b) || covers(b, a);
}

void draw_names(Picture& page, double below, std::span<const PeakName> names) {
  for (const PeakName& name : names) {
    const double y = below - kLevel * (name.level + 1);
    page.line(name.at, y + 2, name.at, below, kSoft);
    page.text(name.left, y, name.text, {.size = 11});
  }
}

// Above a row that begins at the y it gives back.
double draw_peaks(Picture& page, double y, std::span<const Piece> pieces, const std::vector<double>& scores) {
  std::vector<PeakName> names;
  for (const size_t i : strongest(scores, kPeaks)) {
    PeakName name{fmt::format("{} {:+.2g}", quoted(pieces[i].bytes, kNameColumns), scores[i])};
    name.at = (static_cast<double>(i) + 0.5) / static_cast<double>(pieces.size()) * kWidth;
    name.width = page.measure(name.text, {.size = 11}).width;
    std::vector<PeakName> more = names;
    more.push_back(name);
    if (place_names(more)) names = std::move(more);
  }
  const double below = y + kLevel * kLevels;
  draw_names(page, below, names);
  return below + 2;
}

}  // namespace

bool place_names(std::vector<PeakName>& names) {
  const auto on_the_left = [](const PeakName& n) { return n.at < kWidth / 2; };
  const auto middle = std::partition(names.begin(), names.end(), on_the_left);
  std::sort(names.begin(), middle, [](const PeakName& a, const PeakName& b) { return a.at > b.at; });
  std::sort(middle, names.end(), [](const PeakName& a, const PeakName& b) { return a.at < b.at; });
  for (auto name = names.begin(); name != names.end(); ++name) {
    name->left = name < middle ? name->at + kBeside : name->at - kBeside - name->width;
    name->right = name->left + name->width;
    const auto taken = [&] {
      return std::any_of(names.begin(), name, [&](const PeakName& other) { return collide(*name, other); });
    };
    for (name->level = 0; name->level < kLevels && taken();) ++name->level;
    if (name->level == kLevels) return false;
  }
  return true;
}

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
  const double below = draw_row(page, y, kHeight, scores, largest_size(scores));
  page.frame(0, y, kWidth, kHeight, kLine);
  return draw_positions(page, below + 2, tokens);
}

}  // namespace hindscan::viewer
