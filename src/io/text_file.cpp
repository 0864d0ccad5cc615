#include "io/text_file.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/mmap.h"
#include "base/utf8.h"
#include "io/byte_order_mark.h"
#include "io/file_kind.h"

namespace hindscan {
namespace {

struct Wide {
  size_t unit = 2;  // bytes
  bool big = false;
  size_t mark = 0;  // bytes
};

// Every second byte is zero and the others are not: text of the Latin alphabet.
bool zeros_alternate(std::string_view head, size_t zero_at) {
  size_t zeros = 0, units = head.size() / 2;
  for (size_t i = 0; i + 1 < head.size(); i += 2) {
    if (head[i + 1 - zero_at] == '\0') return false;
    zeros += head[i + zero_at] == '\0';
  }
  return units >= 2 && 4 * zeros >= 3 * units;
}

std::optional<Wide> wide_of(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xff\xfe\0\0"sv)) return Wide{4, false, 4};
  if (bytes.starts_with("\0\0\xfe\xff"sv)) return Wide{4, true, 4};
  if (bytes.starts_with("\xff\xfe"sv)) return Wide{2, false, 2};
  if (bytes.starts_with("\xfe\xff"sv)) return Wide{2, true, 2};
  const std::string_view head = bytes.substr(0, kFileHead);
  if (zeros_alternate(head, 1)) return Wide{2, false, 0};
  if (zeros_alternate(head, 0)) return Wide{2, true, 0};
  return std::nullopt;
}

std::string narrow(std::string_view bytes, const Wide& wide, const std::string& label) {
  bytes.remove_prefix(wide.mark);
  const auto unit = [&](size_t at) {
    uint32_t v = 0;
    for (size_t i = 0; i < wide.unit; ++i)
      v = v << 8 | static_cast<unsigned char>(bytes[at + (wide.big ? i : wide.unit - 1 - i)]);
    return v;
  };
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += wide.unit) {
    uint32_t code = at + wide.unit <= bytes.size() ? unit(at) : 0xd800;
    const bool high = wide.unit == 2 && code >= 0xd800 && code < 0xdc00;
    const uint32_t low = high && at + 4 <= bytes.size() ? unit(at + 2) : 0;
    if (low >= 0xdc00 && low < 0xe000) {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      at += 2;
    }
    check(code <= 0x10ffff && (code < 0xd800 || code >= 0xe000), ErrorCode::kData,
          "[{}] expected UTF-{} text, found half a character at byte {}", label, 8 * wide.unit, wide.mark + at);
    append_utf8(out, code);
  }
  return out;
}

bool every_line_ends_with_cr(std::string_view text) {
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return false;
  }
  return true;
}

int64_t join_line_ends(std::string& text) {
  int64_t count = 0;
  size_t to = 0;
  for (size_t from = 0; from < text.size(); ++from) {
    if (text[from] == '\r' && from + 1 < text.size() && text[from + 1] == '\n') {
      ++count;
      continue;
    }
    text[to++] = text[from];
  }
  text.resize(to);
  return count;
}

}  // namespace

TextFile text_of_bytes(std::string bytes, const std::string& label, TextUse use) {
  if (const auto known = known_file(std::string_view(bytes).substr(0, kFileHead)))
    fail(ErrorCode::kData, "[{}] expected a text, found {}; {}", label, known->name, known->advice);
  TextFile out;
  if (const auto wide = wide_of(bytes)) {
    check(use == TextUse::kVocabulary, ErrorCode::kData,
          "[{}] expected a text in UTF-8, found UTF-{} ({} endian); convert it (iconv -f utf-{}{} -t utf-8)", label,
          8 * wide->unit, wide->big ? "big" : "little", 8 * wide->unit,
          wide->mark > 0 ? ""
          : wide->big    ? "be"
                         : "le");
    out.text = narrow(bytes, *wide, label);
  } else {
    out.text = std::move(bytes);
  }
  out.text.erase(0, out.text.size() - without_byte_order_mark(out.text).size());
  if (use == TextUse::kProse || every_line_ends_with_cr(out.text)) out.crlf = join_line_ends(out.text);
  return out;
}

std::string read_text_file(const std::string& path, uint64_t limit, TextUse use) {
  TextFile file = text_of_bytes(read_file(path, limit), path, use);
  if (file.crlf > 0) log_info("{}: {} line ends CR LF are read as LF", path, file.crlf);
  return std::move(file.text);
}

}  // namespace hindscan
