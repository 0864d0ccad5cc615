// A strip of tokens with their scores as background colours, or as a second line of bars where there is no colour.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "cli/color.h"
#include "explain/score_words.h"

namespace hindscan::cli {

struct HeatToken {
  std::string_view bytes;
  double score = 0;     // any scale
  bool target = false;  // shown between marks
  bool marked = false;  // underlined, or | before its bars
};

struct HeatmapStyle {
  ColorDepth depth = ColorDepth::kNone;
  bool dark = true;
  int columns = 80;
  bool is_narrow() const { return columns < 80; }  // tables of short lines do not fit
};

// Scores are divided by `scale` (their largest magnitude); a score that is not finite counts as 0.
std::string render_heatmap(std::span<const HeatToken> tokens, double scale, const HeatmapStyle& style);
std::string heatmap_legend(double scale, const SignWords& signs, const HeatmapStyle& style);

char bar_char(double score);                            // " .:-=+*#%@" for 0..1, digits 1..9 for negative scores
std::string sparkline(std::span<const double> values);  // eight heights of the magnitudes, scaled to the largest

}  // namespace hindscan::cli
