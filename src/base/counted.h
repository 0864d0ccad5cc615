// Numbers in sentences: "1 token", "2 tokens", "3.5 MiB".
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace hindscan {

// `many` where an s does not make the plural.
template <class Int>
std::string counted(Int n, std::string_view one, std::string_view many = {}) {
  if (n == Int(1)) return fmt::format("1 {}", one);
  return many.empty() ? fmt::format("{} {}s", n, one) : fmt::format("{} {}", n, many);
}

// Whole bytes below 1 MiB. What is needed is rounded up and what may be used down: one byte too many is seen.
std::string needed_size(uint64_t bytes);
std::string allowed_size(uint64_t bytes);

}  // namespace hindscan
