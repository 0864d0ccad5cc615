#include "base/utf8.h"

namespace hindscan {
namespace {

uint8_t byte_at(std::string_view s, size_t i) { return static_cast<uint8_t>(s[i]); }

// Length promised by a lead byte (0: not a lead byte) and the allowed range of the second byte (Unicode table 3-7).
struct Lead {
  uint32_t size;
  uint8_t low, high;
};

Lead classify(uint8_t b) {
  if (b < 0x80) return {1, 0, 0};
  if (b >= 0xC2 && b <= 0xDF) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b >= 0xE1 && b <= 0xEF) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b >= 0xF1 && b <= 0xF3) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// How many bytes from pos on form a valid beginning of the sequence its lead byte promises.
uint32_t valid_prefix(std::string_view s, size_t pos, const Lead& lead) {
  uint32_t n = 1;
  while (n < lead.size && pos + n < s.size()) {
    const uint8_t b = byte_at(s, pos + n);
    const uint8_t low = n == 1 ? lead.low : 0x80, high = n == 1 ? lead.high : 0xBF;
    if (b < low || b > high) break;
    ++n;
  }
  return n;
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t pos) {
  const uint8_t first = byte_at(text, pos);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = classify(first);
  if (lead.size == 0 || valid_prefix(text, pos, lead) != lead.size) return {};
  uint32_t code = first & (0xFFu >> (lead.size + 1));
  for (uint32_t i = 1; i < lead.size; ++i) code = (code << 6) | (byte_at(text, pos + i) & 0x3Fu);
  return {code, lead.size, true};
}

Utf8Char utf8_before(std::string_view text, size_t pos) {
  for (size_t back = 1; back <= 4 && back <= pos; ++back) {
    const Utf8Char c = decode_utf8(text, pos - back);
    if (c.valid && c.size == back) return c;
  }
  return {};
}

bool valid_utf8(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = decode_utf8(text, pos);
    if (!c.valid) return false;
    pos += c.size;
  }
  return true;
}

bool is_hidden_control(uint32_t code) {
  return (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

size_t incomplete_utf8_suffix(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const size_t pos = text.size() - back;
    const Lead lead = classify(byte_at(text, pos));
    if (lead.size == 0) continue;
    return lead.size > back && valid_prefix(text, pos, lead) == back ? back : 0;
  }
  return 0;
}

std::string replace_invalid_utf8(std::string_view text, size_t* replaced) {
  std::string out;
  out.reserve(text.size());
  size_t count = 0;
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = decode_utf8(text, pos);
    if (c.valid) {
      out.append(text, pos, c.size);
      pos += c.size;
      continue;
    }
    const Lead lead = classify(byte_at(text, pos));
    pos += lead.size == 0 ? 1 : valid_prefix(text, pos, lead);
    out += "\xEF\xBF\xBD";
    ++count;
  }
  if (replaced != nullptr) *replaced = count;
  return out;
}

}  // namespace hindscan
