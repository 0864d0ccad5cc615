#include "base/counted.h"

namespace hindscan {

static std::string mib(uint64_t tenths) {
  return tenths % 10 == 0 ? fmt::format("{} MiB", tenths / 10) : fmt::format("{}.{} MiB", tenths / 10, tenths % 10);
}

// Tenths of a MiB without an overflow.
static uint64_t tenths_of(uint64_t bytes) { return (bytes >> 20) * 10 + (((bytes & 0xfffff) * 10) >> 20); }

std::string allowed_size(uint64_t bytes) {
  return bytes < uint64_t{1} << 20 ? counted(bytes, "byte") : mib(tenths_of(bytes));
}

std::string needed_size(uint64_t bytes) {
  if (bytes < uint64_t{1} << 20) return counted(bytes, "byte");
  const uint64_t down = tenths_of(bytes);
  const bool exact = (bytes * 10) % (uint64_t{1} << 20) == 0;
  return mib(exact ? down : down + 1);
}

}  // namespace hindscan
