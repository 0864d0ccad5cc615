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
constexpr double kCurve = 0.7;                                               // lifts weak scores
constexpr double kSmallest = 0.02, kSmallest256 = 0.05, kSmallest16 = 0.1;

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

Rgb cube_color(int index) {
  const auto value = [](int level) { return static_cast<uint8_t>(level == 0 ? 0 : 55 + 40 * level); };
  const int i = index - 16;
  return {value(i / 36), value(i / 6 % 6), value(i % 6)};
}

// Five steps of each arm out of the 6 x 6 x 6 cube; nearest colours would turn weak scores grey.
CellColor color_256(double score, bool dark) {
  constexpr int raise[2][5] = {{223, 216, 208, 166, 130}, {94, 130, 172, 208, 215}};
  constexpr int lower[2][5] = {{189, 153, 111, 69, 25}, {18, 24, 25, 32, 75}};
  const int step = std::clamp(static_cast<int>(std::pow(std::abs(score), kCurve) * 5), 0, 4);
  CellColor c{true, {}, {}, (score > 0 ? raise : lower)[dark][step], 0};
  c.background = cube_color(c.background_code);
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
  const double smallest = depth == ColorDepth::k16 ? kSmallest16 : depth == ColorDepth::k256 ? kSmallest256 : kSmallest;
  if (depth == ColorDepth::kNone || !(std::abs(score) >= smallest)) return {};
  score = std::clamp(score, -1.0, 1.0);
  if (depth == ColorDepth::k16) return color_16(score);
  if (depth == ColorDepth::k256) return color_256(score, dark);
  const Rgb start = dark ? Rgb{0x30, 0x30, 0x30} : Rgb{0xf4, 0xf4, 0xf4};
  const Rgb end = score > 0 ? (dark ? kRaise : kRaiseLight) : (dark ? kLower : kLowerLight);
  const Rgb wanted = mix(start, end, std::pow(std::abs(score), kCurve));
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
