#include "viewer/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hindscan::viewer {

double draw_scale(Picture& page, double x, double y, double top, std::string_view low, std::string_view high) {
  constexpr int kSteps = 80;
  constexpr double kWidth = 160, kHeight = 10, kGap = 8;
  const TextStyle small{.size = 11, .color = kSoft};
  const Extent left = page.text(x, y, fmt::format("{} {:.3g}", low, -top), small);
  const double bar = x + left.width + kGap;
  std::vector<Color> colors;
  colors.reserve(kSteps);
  for (int i = 0; i < kSteps; ++i) colors.push_back(signed_color((2.0 * i + 1) / kSteps - 1));
  page.cells(bar, y + (left.height - kHeight) / 2, kWidth, kHeight, 1, kSteps, colors);
  page.frame(bar, y + (left.height - kHeight) / 2, kWidth, kHeight, kLine);
  page.text(bar + kWidth + kGap, y, fmt::format("+{:.3g} {}", top, high), small);
  return left.height;
}

std::vector<int64_t> ticks(int64_t first, int64_t last, int most) {
  int64_t step = 1;
  for (int64_t decade = 1; (last - first + step - 1) / step > most; decade *= step == 10 * decade ? 10 : 1)
    step = step == decade ? 2 * decade : step == 2 * decade ? 5 * decade : 10 * decade;
  std::vector<int64_t> out;
  for (int64_t t = (first + step - 1) / step * step; t < last; t += step) out.push_back(t);
  return out;
}

std::vector<double> strongest_columns(std::span<const double> values, int columns) {
  const uint64_t n = values.size(), bins = std::min<uint64_t>(n, static_cast<uint64_t>(columns));
  std::vector<double> out(bins, 0.0);
  for (uint64_t b = 0; b < bins; ++b) {
    for (uint64_t i = b * n / bins; i < (b + 1) * n / bins; ++i) {
      if (std::isfinite(values[i]) && std::abs(values[i]) > std::abs(out[b])) out[b] = values[i];
    }
  }
  return out;
}

}  // namespace hindscan::viewer
