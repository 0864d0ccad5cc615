// U+FEFF at the beginning of a text, as programs of Windows write it.
#pragma once
#include <string_view>

namespace hindscan {

inline std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace hindscan
