// UTF-8 as untrusted bytes: decode one code point, find the invalid, hold back the incomplete.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hindscan {

struct Utf8Char {
  uint32_t code = 0;  // meaningful only when valid
  uint32_t size = 1;  // bytes consumed; 1 for an invalid byte
  bool valid = false;
};

// The code point at text[pos], pos < text.size(). Overlong forms, surrogates and > U+10FFFF are invalid.
Utf8Char decode_utf8(std::string_view text, size_t pos);
// The code point that ends right before text[pos]; not valid when there is none.
Utf8Char utf8_before(std::string_view text, size_t pos);

bool valid_utf8(std::string_view text);
// Controls beyond ASCII, line separators and what changes the direction of the text around it: shown by its number
// only.
bool is_hidden_control(uint32_t code);
void append_utf8(std::string& out, uint32_t code);

// Bytes at the end of `text` that could still become one code point when more bytes arrive (0..3).
size_t incomplete_utf8_suffix(std::string_view text);

// Every maximal invalid piece becomes U+FFFD; *replaced (when given) counts them.
std::string replace_invalid_utf8(std::string_view text, size_t* replaced = nullptr);

}  // namespace hindscan
