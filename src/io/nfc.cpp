#include "io/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/utf8.h"

namespace hindscan {
namespace {

constexpr uint32_t kFirstCombining = 0x300;  // below it every character is a starter and already composed

int combining_class(int32_t code) { return utf8proc_get_property(code)->combining_class; }

// utf8proc's own reordering is quadratic in the length of a run of marks; a stable sort is not.
void order_marks(std::vector<int32_t>& codes) {
  for (size_t i = 0; i < codes.size(); ++i) {
    size_t end = i;
    while (end < codes.size() && combining_class(codes[end]) != 0) ++end;
    if (end - i < 2) continue;
    std::stable_sort(codes.begin() + static_cast<ptrdiff_t>(i), codes.begin() + static_cast<ptrdiff_t>(end),
                     [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
}

// Appends NFC of valid UTF-8.
void append_nfc(std::string_view text, std::string& out) {
  std::vector<int32_t> codes;
  codes.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const Utf8Char c = decode_utf8(text, pos);
    pos += c.size;
    int32_t parts[32];
    int last = 0;
    const auto n = utf8proc_decompose_char(static_cast<int32_t>(c.code), parts, 32, UTF8PROC_DECOMPOSE, &last);
    codes.insert(codes.end(), parts, parts + std::clamp<utf8proc_ssize_t>(n, 0, 32));
  }
  order_marks(codes);
  const auto n = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
                                          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  for (utf8proc_ssize_t i = 0; i < n; ++i) append_utf8(out, static_cast<uint32_t>(codes[static_cast<size_t>(i)]));
}

// First position from `pos` whose character is >= U+0300, and the start of the character before it (its possible base).
struct Stretch {
  size_t begin, end;
};

Stretch next_stretch(std::string_view text, size_t from) {
  size_t previous = from, pos = from;
  while (pos < text.size()) {
    const auto lead = static_cast<unsigned char>(text[pos]);
    if (lead >= 0xCC) {
      const Utf8Char c = decode_utf8(text, pos);
      if (c.valid) break;
      previous = ++pos;  // an invalid byte is no base
      continue;
    }
    const Utf8Char c = decode_utf8(text, pos);
    previous = c.valid ? pos : pos + 1;
    pos += c.size;
  }
  if (pos >= text.size()) return {text.size(), text.size()};
  size_t end = pos;
  while (end < text.size()) {
    const Utf8Char c = decode_utf8(text, end);
    if (!c.valid || c.code < kFirstCombining) break;
    end += c.size;
  }
  return {previous, end};
}

}  // namespace

std::string_view normalize_nfc(std::string_view text, std::string& buffer) {
  Stretch stretch = next_stretch(text, 0);
  if (stretch.begin == text.size()) return text;
  buffer.clear();
  buffer.reserve(text.size() + text.size() / 8);
  size_t copied = 0;
  while (stretch.begin < text.size()) {
    buffer.append(text, copied, stretch.begin - copied);
    append_nfc(text.substr(stretch.begin, stretch.end - stretch.begin), buffer);
    copied = stretch.end;
    stretch = next_stretch(text, copied);
  }
  buffer.append(text, copied);
  return buffer;
}

}  // namespace hindscan
