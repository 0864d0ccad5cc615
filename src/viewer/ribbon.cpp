#include "viewer/ribbon.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/png.h"

namespace hindscan::viewer {
namespace {

constexpr uint32_t kMaxWidth = 4096, kMaxCell = 16, kMinWidth = 256;
constexpr uint32_t kTotalHeight = 28, kGap = 4, kRowHeight = 16;
using Color = std::array<uint8_t, 3>;

Color color_of(double relative) {
  constexpr Color zero{255, 255, 255}, raise{0xb3, 0x58, 0x06}, lower{0x2c, 0x5f, 0xb8};
  const Color& arm = relative < 0 ? lower : raise;
  const double t = std::pow(std::min(std::abs(relative), 1.0), 0.7);
  Color out;
  for (size_t i = 0; i < 3; ++i) out[i] = static_cast<uint8_t>(std::lround(zero[i] + (arm[i] - zero[i]) * t));
  return out;
}

template <class T>
double largest(const T* values, size_t n) {
  double top = 0;
  for (size_t i = 0; i < n; ++i) {
    if (std::isfinite(values[i])) top = std::max(top, static_cast<double>(std::abs(values[i])));
  }
  return top;
}

// One row of tokens, `height` pixels high; every pixel column shows its strongest token.
template <class T>
void draw_row(Image& image, uint32_t y, uint32_t height, const T* values, uint64_t tokens, double scale) {
  for (uint32_t x = 0; x < image.width; ++x) {
    const uint64_t begin = x * tokens / image.width, end = std::max(begin + 1, (x + 1) * tokens / image.width);
    double strongest = 0;
    for (uint64_t t = begin; t < end; ++t) {
      const auto v = static_cast<double>(values[t]);
      if (std::isfinite(v) && std::abs(v) > std::abs(strongest)) strongest = v;
    }
    const Color c = color_of(scale > 0 ? strongest / scale : 0);
    for (uint32_t r = y; r < y + height; ++r)
      std::copy(c.begin(), c.end(), image.rgb.begin() + 3 * (static_cast<int64_t>(r) * image.width + x));
  }
}

}  // namespace

Image ribbon_image(const ExplainReport& report, size_t method) {
  const ScoreMap& map = report.methods[method].maps.front();
  const uint64_t T = map.scores.size(), shown = static_cast<uint64_t>(report.target.position) + 1;
  const auto L = static_cast<uint32_t>(map.layers.size() / T);
  const auto cell = static_cast<uint32_t>(std::clamp<uint64_t>(kMinWidth / shown, 4, kMaxCell));
  Image image;
  image.width = static_cast<uint32_t>(std::min<uint64_t>(kMaxWidth, shown * cell));
  image.height = kTotalHeight + (L > 0 ? kGap + L * kRowHeight : 0);
  image.rgb.assign(size_t{3} * image.width * image.height, 255);
  draw_row(image, 0, kTotalHeight, map.scores.data(), shown, largest(map.scores.data(), T));
  const double scale = largest(map.layers.data(), map.layers.size());
  for (uint32_t l = 0; l < L; ++l) {
    draw_row(image, kTotalHeight + kGap + (L - 1 - l) * kRowHeight, kRowHeight, map.layers.data() + l * T, shown,
             scale);
  }
  return image;
}

void write_ribbon_png(Fs& fs, const std::string& path, const ExplainReport& report, size_t method) {
  const Image image = ribbon_image(report, method);
  write_png(fs, path, image.width, image.height, image.rgb);
}

}  // namespace hindscan::viewer
