// CRC-32 of zip files and PNG (polynomial 0xEDB88320).
#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace hindscan {

inline uint32_t crc32(std::span<const uint8_t> bytes) {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1u) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t b : bytes) crc = kTable[(crc ^ b) & 255u] ^ (crc >> 8);
  return ~crc;
}

}  // namespace hindscan
