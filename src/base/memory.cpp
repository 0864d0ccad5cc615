#include "base/memory.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace hindscan {
namespace {

constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int64_t leading_number(const std::string& text, size_t at = 0) {
  int64_t value = 0;
  const auto [next, error] = std::from_chars(text.data() + std::min(at, text.size()), text.data() + text.size(), value);
  return error == std::errc() ? value : kUnknown;
}

// The number after `key` in a file of "key number" lines.
int64_t number_of(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return leading_number(line, line.find_first_of("0123456789"));
  }
  return kUnknown;
}

int64_t machine() {
  const int64_t kib = number_of("/proc/meminfo", "MemAvailable:");
  return kib > kUnknown / 1024 ? kUnknown : kib * 1024;
}

// Version 2 first, then version 1. Cached file pages count as used there, but give way.
int64_t control_group() {
  struct Files {
    const char *limit, *used, *stat, *cache;
  };
  constexpr Files versions[] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file "},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
       "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file "}};
  for (const Files& f : versions) {
    const int64_t most = leading_number(first_line(f.limit)), now = leading_number(first_line(f.used));
    if (most == kUnknown || now == kUnknown) continue;
    const int64_t cache = number_of(f.stat, f.cache);
    return std::max<int64_t>(most - now + (cache == kUnknown ? 0 : cache), 0);
  }
  return kUnknown;
}

int64_t address_space() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnknown;
  const int64_t pages = leading_number(first_line("/proc/self/statm"));
  const int64_t used = pages == kUnknown ? 0 : pages * sysconf(_SC_PAGESIZE);
  return std::max<int64_t>(static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, kUnknown)) - used, 0);
}

}  // namespace

int64_t resident_memory() {
  const std::string statm = first_line("/proc/self/statm");  // pages: size, resident, ...
  const int64_t pages = leading_number(statm, statm.find(' ') + 1);
  return pages == kUnknown ? 0 : pages * sysconf(_SC_PAGESIZE);
}

void keep_no_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLarge = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, kLarge);  // also ends its growth with what is freed
  mallopt(M_TRIM_THRESHOLD, kLarge);
#endif
}

int64_t available_memory() { return std::min({machine(), control_group(), address_space()}); }

}  // namespace hindscan
