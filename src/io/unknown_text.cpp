#include "io/unknown_text.h"

#include <fmt/format.h>

#include "base/counted.h"
#include "base/utf8.h"
#include "io/printable.h"

namespace hindscan {

void UnknownText::add(const UnknownText& other) {
  if (other.count == 0) return;
  const int64_t before = count;
  if (before == 0) *this = other;
  count = before + other.count;
}

std::string to_text(const UnknownText& u) {
  const bool latin = !valid_utf8(u.sample);
  std::string bytes;
  for (const char c : u.sample)
    bytes += fmt::format("{}{:02x}", bytes.empty() ? "0x" : " ", static_cast<unsigned char>(c));
  return fmt::format(
      "{} of the text {} read as {}: the first is {} at byte {}; {}", counted(u.count, "character"),
      u.count == 1 ? "has no token in this vocabulary and is" : "have no token in this vocabulary and are", u.stands_in,
      latin ? bytes : fmt::format("'{}'", printable(u.sample).text), u.first,
      latin ? "the text is not UTF-8: convert it (iconv -f latin1 -t utf-8)"
            : "the model has never seen such characters");
}

}  // namespace hindscan
