#include "io/printable.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "base/utf8.h"

namespace hindscan {
namespace {

constexpr int kMaxMarks = 4;  // combining marks on one base; more would paint over the lines around

struct Cell {
  std::string text;
  int width = 0;
  bool mark = false;
};

bool shown_as_is(utf8proc_category_t c) {
  switch (c) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

Cell ascii(std::string text) {
  const int width = static_cast<int>(text.size());
  return {std::move(text), width, false};
}

Cell escape(uint32_t code) {
  if (code < 0x80) return ascii(fmt::format("\\x{:02x}", code));
  return ascii(code <= 0xffff ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code));
}

Cell cell_of(const Utf8Char& c, std::string_view bytes) {
  if (!c.valid) return ascii(fmt::format("<{:02X}>", static_cast<unsigned char>(bytes[0])));
  if (c.code == '\n') return {"\u23ce", 1, false};
  if (c.code == '\t') return {"\u21e5", 1, false};
  if (c.code >= 0x20 && c.code < 0x7f) return {std::string(bytes), 1, false};
  const auto code = static_cast<utf8proc_int32_t>(c.code);
  if (!shown_as_is(utf8proc_category(code))) return escape(c.code);
  const int width = utf8proc_charwidth(code);
  return {std::string(bytes), width, width == 0};
}

}  // namespace

Printable printable(std::string_view bytes, int max_width) {
  Printable out;
  int marks = 0;
  bool has_base = false;
  for (size_t pos = 0; pos < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, pos);
    Cell cell = cell_of(c, bytes.substr(pos, c.size));
    pos += c.size;
    marks = cell.mark ? marks + 1 : 0;
    if (cell.mark && marks > kMaxMarks) cell = escape(c.code);
    if (cell.mark && !has_base) cell = {"\u25cc" + cell.text, 1, false};  // a mark needs something to stand on
    has_base = true;
    const bool last = pos >= bytes.size();
    if (out.width + cell.width > max_width - (last ? 0 : 1)) {
      out.text += "\u2026";
      out.width += 1;
      break;
    }
    out.text += cell.text;
    out.width += cell.width;
  }
  out.ends_line = !bytes.empty() && bytes.back() == '\n';
  return out;
}

std::string printable_lines(std::string_view bytes) {
  std::string out;
  size_t start = 0;
  for (size_t i = 0; i <= bytes.size(); ++i) {
    if (i < bytes.size() && bytes[i] != '\n' && bytes[i] != '\t') continue;
    out += printable(bytes.substr(start, i - start)).text;
    if (i < bytes.size()) out += bytes[i];
    start = i + 1;
  }
  return out;
}

std::string pad_right(const Printable& p, int width) {
  return p.width >= width ? p.text : p.text + std::string(static_cast<size_t>(width - p.width), ' ');
}

}  // namespace hindscan
