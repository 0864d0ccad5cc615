#include "io/python_literal.h"

#include <charconv>

#include "base/utf8.h"

namespace hindscan {

std::optional<uint32_t> number_of_digits(std::string_view digits, int base) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

namespace {

class PythonLiteral {
 public:
  static std::optional<std::string> read(std::string_view literal) { return PythonLiteral(literal).run(); }

 private:
  explicit PythonLiteral(std::string_view literal) : in_(literal) {}

  std::optional<std::string> run() {
    is_bytes_ = in_.starts_with('b');
    if (is_bytes_) in_.remove_prefix(1);
    if (in_.size() < 2 || (in_[0] != '\'' && in_[0] != '"') || in_.back() != in_[0]) return std::nullopt;
    const char quote = in_[0];
    in_ = in_.substr(1, in_.size() - 2);
    while (!in_.empty()) {
      const char c = in_[0];
      if (c == quote) return std::nullopt;
      in_.remove_prefix(1);
      if (c != '\\') {
        out_ += c;
      } else if (!escape()) {
        return std::nullopt;
      }
    }
    return out_;
  }

  bool escape() {
    if (in_.empty()) return false;
    const char c = in_[0];
    in_.remove_prefix(1);
    constexpr std::string_view kFrom = "\\'\"ntr", kTo = "\\'\"\n\t\r";
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      out_ += kTo[i];
      return true;
    }
    if (c == 'x') return code(2);
    if (is_bytes_) return false;
    return (c == 'u' && code(4)) || (c == 'U' && code(8));
  }

  bool code(size_t digits) {
    if (in_.size() < digits) return false;
    const auto value = number_of_digits(in_.substr(0, digits), 16);
    if (!value || *value > 0x10FFFF || (*value >= 0xD800 && *value < 0xE000)) return false;
    in_.remove_prefix(digits);
    if (is_bytes_) {
      out_ += static_cast<char>(*value);
    } else {
      append_utf8(out_, *value);
    }
    return true;
  }

  std::string_view in_;
  std::string out_;
  bool is_bytes_ = false;
};

}  // namespace

std::optional<std::string> read_python_literal(std::string_view literal) { return PythonLiteral::read(literal); }

}  // namespace hindscan
