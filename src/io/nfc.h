// Unicode normal form C of text that may hold invalid bytes.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

// The normalised text; invalid bytes pass through. Returns `text` itself when nothing changes, else a view of `buffer`.
std::string_view normalize_nfc(std::string_view text, std::string& buffer);

}  // namespace hindscan
