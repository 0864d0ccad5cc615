#include "cli/color.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hindscan::cli {
namespace {

constexpr Rgb kBlack{0, 0, 0}, kWhite{255, 255, 255};
// Ends of the two arms; the start is close to the terminal's own background.
constexpr Rgb kRaise{0xfd, 0x9a, 0x3a}, kLower{0x6f, 0xa8, 0xf5};            // on dark
constexpr Rgb kRaiseLight{0xd9, 0x5f, 0x02}, kLowerLight{0x2c, 0x5f, 0xb8};  // on light
constexpr double kSmallest = 0.02, kSmallest16 = 0.1;

double linear(uint8_t v) {
  const double x = v / 255.0;
  return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
}

double luminance(Rgb c) { return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b); }

uint8_t mix(uint8_t a, uint8_t b, double t) { return static_cast<uint8_t>(std::lround(a + (b - a) * t)); }

Rgb mix(Rgb a, Rgb b, double t) { return {mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)}; }

Rgb readable_on(Rgb background) {
  return contrast(background, kBlack) >= contrast(background, kWhite) ? kBlack : kWhite;
}

int cube_level(uint8_t v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; }

CellColor color_256(Rgb wanted) {
  const int r = cube_level(wanted.r), g = cube_level(wanted.g), b = cube_level(wanted.b);
  const auto value = [](int level) { return static_cast<uint8_t>(level == 0 ? 0 : 55 + 40 * level); };
  CellColor c{true, {value(r), value(g), value(b)}, {}, 16 + 36 * r + 6 * g + b, 0};
  c.text = readable_on(c.background);
  c.text_code = c.text == kBlack ? 16 : 231;
  return c;
}

// The colours of the classic palette; terminals may differ, the pairs below stay readable in the common ones.
CellColor color_16(double score) {
  const bool strong = std::abs(score) >= 0.5;
  if (score > 0) return {true, strong ? Rgb{255, 255, 0} : Rgb{205, 205, 0}, kBlack, strong ? 103 : 43, 30};
  return {true, strong ? Rgb{92, 92, 255} : Rgb{0, 0, 205}, kWhite, strong ? 104 : 44, 97};
}

}  // namespace

double contrast(Rgb a, Rgb b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

CellColor score_color(double score, ColorDepth depth, bool dark) {
  if (depth == ColorDepth::kNone || !(std::abs(score) >= (depth == ColorDepth::k16 ? kSmallest16 : kSmallest))) return {};
  score = std::clamp(score, -1.0, 1.0);
  if (depth == ColorDepth::k16) return color_16(score);
  const Rgb start = dark ? Rgb{0x30, 0x30, 0x30} : Rgb{0xf4, 0xf4, 0xf4};
  const Rgb end = score > 0 ? (dark ? kRaise : kRaiseLight) : (dark ? kLower : kLowerLight);
  const Rgb wanted = mix(start, end, std::pow(std::abs(score), 0.7));
  if (depth == ColorDepth::k256) return color_256(wanted);
  return {true, wanted, readable_on(wanted), 0, 0};
}

std::string sgr(const CellColor& c, ColorDepth depth) {
  if (!c.colored || depth == ColorDepth::kNone) return "";
  if (depth == ColorDepth::k16) return fmt::format("\x1b[{};{}m", c.text_code, c.background_code);
  if (depth == ColorDepth::k256) return fmt::format("\x1b[38;5;{};48;5;{}m", c.text_code, c.background_code);
  return fmt::format("\x1b[38;2;{};{};{};48;2;{};{};{}m", c.text.r, c.text.g, c.text.b, c.background.r, c.background.g,
                     c.background.b);
}

}  // namespace hindscan::cli
