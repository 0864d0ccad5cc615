// What every fuzz target shares.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
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

// Of libFuzzer: changes `size` bytes in place, at most `most` of them afterwards, and says how many there are.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

// The same on a string, which may grow to `most` bytes.
inline void mutate(std::string& text, size_t most) {
  const size_t size = std::min(text.size(), most);
  text.resize(most);
  text.resize(most == 0 ? 0 : LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, most));
}

// What a custom mutator returns: `text` where the old input was.
inline size_t replace_input(uint8_t* data, std::string_view text) {
  std::copy(text.begin(), text.end(), data);
  return text.size();
}

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace hindscan
