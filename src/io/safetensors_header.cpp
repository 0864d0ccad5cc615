#include "io/safetensors_header.h"

#include <charconv>

#include "base/error.h"
#include "base/utf8.h"

namespace hindscan {

void HeaderScanner::fail_here(std::string_view expected) const {
  fail(ErrorCode::kData, "[{}] expected {} at byte {} of the header, found {}", label_, expected, pos_,
       pos_ < text_.size() ? fmt::format("byte 0x{:02x}", static_cast<unsigned char>(text_[pos_])) : "its end");
}

void HeaderScanner::skip_space() {
  while (pos_ < text_.size()) {
    const char c = text_[pos_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++pos_;
  }
}

bool HeaderScanner::accept(char c) {
  skip_space();
  if (pos_ >= text_.size() || text_[pos_] != c) return false;
  ++pos_;
  return true;
}

void HeaderScanner::expect(char c) {
  if (!accept(c)) fail_here(fmt::format("'{}'", c));
}

bool HeaderScanner::at_end() {
  skip_space();
  return pos_ == text_.size();
}

uint64_t HeaderScanner::read_unsigned() {
  skip_space();
  const size_t begin = pos_;
  while (pos_ < text_.size() && text_[pos_] >= '0' && text_[pos_] <= '9') ++pos_;
  const std::string_view digits = text_.substr(begin, pos_ - begin);
  uint64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool leading_zero = digits.size() > 1 && digits[0] == '0';
  if (digits.empty() || leading_zero || result.ec != std::errc()) {
    pos_ = begin;
    fail_here("an unsigned integer below 2^64");
  }
  return value;
}

uint32_t HeaderScanner::read_hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++pos_) {
    const char c = pos_ < text_.size() ? text_[pos_] : '\0';
    const bool digit = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'f', upper = c >= 'A' && c <= 'F';
    if (!digit && !lower && !upper) fail_here("four hexadecimal digits");
    const int nibble = digit ? c - '0' : lower ? c - 'a' + 10 : c - 'A' + 10;
    value = value * 16 + static_cast<uint32_t>(nibble);
  }
  return value;
}

void HeaderScanner::read_escape(std::string& out) {
  static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  const char c = pos_ < text_.size() ? text_[pos_] : '\0';
  const size_t simple = c == '\0' ? std::string_view::npos : kFrom.find(c);
  if (simple != std::string_view::npos) {
    out += kTo[simple];
    ++pos_;
    return;
  }
  if (c != 'u') fail_here("a JSON escape");
  ++pos_;
  uint32_t code = read_hex4();
  if (code >= 0xD800 && code <= 0xDBFF && text_.substr(pos_, 2) == "\\u") {
    pos_ += 2;
    const uint32_t low = read_hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail_here("a low surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code >= 0xD800 && code <= 0xDFFF) fail_here("no lone surrogate");
  append_utf8(out, code);
}

std::string HeaderScanner::read_string(size_t max_bytes) {
  expect('"');
  std::string out;
  for (;;) {
    if (pos_ >= text_.size()) fail_here("'\"'");
    const char c = text_[pos_];
    if (c == '"') break;
    if (static_cast<unsigned char>(c) < 0x20) fail_here("no control character");
    if (c == '\\') {
      ++pos_;
      read_escape(out);
    } else {
      const Utf8Char decoded = decode_utf8(text_, pos_);
      if (!decoded.valid) fail_here("valid UTF-8");
      out.append(text_, pos_, decoded.size);
      pos_ += decoded.size;
    }
    if (out.size() > max_bytes) fail_here(fmt::format("a string of at most {} bytes", max_bytes));
  }
  ++pos_;
  return out;
}

}  // namespace hindscan
