#include "io/unicode_class.h"

#include <utf8proc.h>

#include <array>

#include "base/utf8.h"

namespace hindscan {
namespace {

int category(uint32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

constexpr std::array<CharClass, 128> make_ascii() {
  std::array<CharClass, 128> table{};
  for (size_t c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= 9 && c <= 13);
    table[c] = letter                 ? CharClass::kLetter
               : c >= '0' && c <= '9' ? CharClass::kNumber
               : space                ? CharClass::kSpace
                                      : CharClass::kOther;
  }
  return table;
}
constexpr auto kAscii = make_ascii();

}  // namespace

bool is_space(uint32_t code) {
  return code == 0x20 || (code >= 0x09 && code <= 0x0D) || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

CharClass classify_code(uint32_t code) {
  if (code < 128) return kAscii[code];
  if (is_space(code)) return CharClass::kSpace;
  const int c = category(code);
  if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) return CharClass::kLetter;
  if (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO) return CharClass::kNumber;
  return CharClass::kOther;
}

ClassifiedChar classify_at(std::string_view text, size_t pos) {
  const auto first = static_cast<unsigned char>(text[pos]);
  if (first < 128) return {kAscii[first], 1};
  const Utf8Char c = decode_utf8(text, pos);
  if (!c.valid) return {CharClass::kOther, 1};
  return {classify_code(c.code), static_cast<uint8_t>(c.size)};
}

bool is_punctuation(uint32_t code) {
  if (code < 128) return code > 0x20 && code < 0x7F && kAscii[code] == CharClass::kOther;
  const int c = category(code);
  return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool is_word(uint32_t code) {
  const int c = category(code);
  const bool letter_or_mark = c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_ME;
  const bool circled = (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149) ||
                       (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189);
  return letter_or_mark || c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_PC ||
         code == 0x200C || code == 0x200D || circled;
}

}  // namespace hindscan
