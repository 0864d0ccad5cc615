// The byte-level alphabet of GPT-2: every byte has a printable symbol, so that any text is a string of symbols.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hindscan {

// Printable bytes stand for themselves; the other 68 are U+0100, U+0101, ... in order.
const std::array<uint32_t, 256>& byte_symbols();

// The bytes a vocabulary string stands for; nullopt when it holds a character that is no byte symbol.
std::optional<std::string> bytes_of_symbols(std::string_view symbols);

// The vocabulary string of these bytes.
std::string symbols_of_bytes(std::string_view bytes);

}  // namespace hindscan
