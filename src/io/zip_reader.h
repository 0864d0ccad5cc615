// Directory of a zip archive whose entries are stored as they are, as torch.save writes it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

struct ZipEntry {
  std::string name;
  uint64_t begin = 0, end = 0;  // its bytes, from the start of the file
  uint32_t crc = 0;             // as promised; see check_crc
};

// Everything is validated: STORED entries only, central directory and local headers agree, no name twice, none that
// leads out of the archive, no two entries share a byte, nothing after the end record but its comment. Zip64 is read.
// Error(kData).
std::vector<ZipEntry> parse_zip(std::span<const uint8_t> file, std::string_view label);

bool looks_like_zip(std::span<const uint8_t> file);
void check_crc(std::span<const uint8_t> file, const ZipEntry& entry,
               std::string_view label);  // Error(kData) when damaged

}  // namespace hindscan
