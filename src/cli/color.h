// Colours of scores: orange raises the target, blue lowers it (told apart by colour-blind eyes too), with readable
// text.
#pragma once
#include <cstdint>
#include <string>

namespace hindscan::cli {

enum class ColorDepth { kNone, k16, k256, kTrue };

struct Rgb {
  uint8_t r, g, b;
  bool operator==(const Rgb&) const = default;
};

double contrast(Rgb a, Rgb b);  // WCAG ratio, 1..21

// What a cell with this score in [-1, 1] looks like; no colour for a score that rounds to nothing.
struct CellColor {
  bool colored = false;
  Rgb background{}, text{};
  int background_code = 0, text_code = 0;  // k256: palette index; k16: SGR code
};
CellColor score_color(double score, ColorDepth depth, bool dark);

std::string sgr(const CellColor& color, ColorDepth depth);  // the escape sequence, "" when uncoloured
inline const char* sgr_reset() { return "\x1b[0m"; }

}  // namespace hindscan::cli
