// Raising the library's Error with a formatted message.
#pragma once
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "hindscan/error.h"

namespace hindscan {

template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Check of a caller's input: always on, throws.
template <class... Args>
void check(bool ok, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hindscan
