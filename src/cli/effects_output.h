// What a person sees in the terminal of the effects at every position of a text.
#pragma once
#include <string>

#include "cli/heatmap.h"
#include "explain/position_effects.h"

namespace hindscan::cli {

// The sentence, the matrix as far as it fits the width (of a longer text its end), the strongest entries.
std::string effects_text(const PositionEffects& effects, const HeatmapStyle& style, int64_t top);

}  // namespace hindscan::cli
