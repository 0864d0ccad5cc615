// The layer x token ribbon as an image: the scores of all layers together on top, then the last layer down to the
// first.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/fs.h"
#include "explain/report.h"

namespace hindscan::viewer {

struct Image {
  uint32_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
};

// Tokens up to the target; more of them than pixels share a column, which shows the strongest.
Image ribbon_image(const ExplainReport& report, size_t method);
void write_ribbon_png(Fs& fs, const std::string& path, const ExplainReport& report, size_t method);

}  // namespace hindscan::viewer
