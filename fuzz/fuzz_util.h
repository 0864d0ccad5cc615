// What every fuzz target shares.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace hindscan {

// A broken promise of the parser under test: ends the process so that libFuzzer keeps the input.
inline void require(bool ok) {
  if (!ok) __builtin_trap();
}

// Runs `work`; the library may only ever refuse an input with its own Error for data or for size.
template <class F>
void allow_refusal(F work) {
  try {
    work();
  } catch (const Error& e) {
    require(!e.message().empty());
    require(e.code() == ErrorCode::kData || e.code() == ErrorCode::kResource);
  }
}

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace hindscan
