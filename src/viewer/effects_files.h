// The effects at every position of a text as a picture and as NumPy arrays.
#pragma once
#include <string>

#include "base/fs.h"
#include "explain/position_effects.h"

namespace hindscan::viewer {

std::string effects_png(const PositionEffects& effects);  // PNG bytes
// format, weights, tokens [T], first and last [n] of what is taken out, next, log_p [n], lost [n, n], asked [n, n]
void write_effects_npz(Fs& fs, const std::string& path, const PositionEffects& effects);

}  // namespace hindscan::viewer
