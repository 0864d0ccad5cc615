// RGB images out.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "base/fs.h"

namespace hindscan {

// rgb: [height, width, 3], row by row. Written atomically.
void write_png(Fs& fs, const std::string& path, uint32_t width, uint32_t height, std::span<const uint8_t> rgb);
std::string encode_png(uint32_t width, uint32_t height, std::span<const uint8_t> rgb);

}  // namespace hindscan
