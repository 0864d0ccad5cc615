// RGB images as PNG bytes.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace hindscan {

// rgb: [height, width, 3], row by row.
std::string encode_png(uint32_t width, uint32_t height, std::span<const uint8_t> rgb);

}  // namespace hindscan
