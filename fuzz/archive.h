// A sound zip archive of stored entries, directory and checksums included.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fs.h"
#include "io/crc32.h"

namespace hindscan {

inline void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255u);
}

struct Entry {
  std::string_view name, data;
};

inline std::string archive(std::span<const Entry> entries) {
  std::string out, central;
  for (const Entry& e : entries) {
    const size_t offset = out.size();
    for (std::string* to : {&out, &central}) {
      put(*to, to == &out ? 0x04034b50 : 0x02014b50, 4);
      put(*to, 0, to == &out ? 2 : 4);
      put(*to, 0, 8);
      put(*to, crc32(as_bytes(e.data)), 4);
      put(*to, e.data.size(), 4);
      put(*to, e.data.size(), 4);
      put(*to, e.name.size(), 2);
      put(*to, 0, to == &out ? 2 : 8);
      if (to == &central) put(*to, 0, 4), put(*to, offset, 4);
      *to += e.name;
    }
    out += e.data;
  }
  const size_t start = out.size();
  out += central;
  put(out, 0x06054b50, 4), put(out, 0, 4), put(out, entries.size(), 2), put(out, entries.size(), 2);
  put(out, central.size(), 4), put(out, start, 4), put(out, 0, 2);
  return out;
}

}  // namespace hindscan
