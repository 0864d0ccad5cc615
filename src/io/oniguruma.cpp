#include "io/oniguruma.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace hindscan {
namespace {

struct ClassEscape {
  char name;             // \s; its capital is the complement
  std::string_view set;  // inside brackets
};

constexpr ClassEscape kClasses[] = {
    // White_Space; PCRE2 counts U+180E, too.
    {'s', R"(\x{09}-\x{0d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"},
    {'w', R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})"},
    {'h', "0-9A-Fa-f"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Translation {
 public:
  Translation(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        inside_brackets();
      } else if (c == '[') {
        open_brackets();
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        braces();
      } else {
        take(1);
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view rest() const { return in_.substr(at_); }

  void take(size_t n) {
    out_ += in_.substr(at_, n);
    at_ += n;
  }

  [[noreturn]] void refuse(size_t n) const {
    fail(ErrorCode::kData,
         "[{}] expected a pattern that every library of regular expressions reads alike, found {} at character {}, "
         "which is not supported",
         where_, in_.substr(at_, n), at_);
  }

  void inside_brackets() {
    if (in_[at_] == '[' || rest().starts_with("&&")) refuse(in_[at_] == '[' ? 1 : 2);  // sets in sets
    in_class_ = in_[at_] != ']';
    take(1);
  }

  void open_brackets() {
    take(rest().starts_with("[^") ? 2 : 1);
    if (rest().starts_with(']')) refuse(1);
    in_class_ = true;
  }

  void group() {
    if (rest().starts_with("(*")) refuse(2);
    if (!rest().starts_with("(?")) return take(1);
    constexpr std::string_view kSame[] = {"(?:", "(?i:", "(?-i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    for (const std::string_view opening : kSame) {
      if (rest().starts_with(opening)) return take(opening.size());
    }
    if (at_ != 0 || !rest().starts_with("(?i)")) refuse(4);  // elsewhere the two differ in how far it reaches
    take(4);
  }

  // {n}, {n,}, {n,m}; what follows may make each of them something else.
  void braces() {
    const size_t close = rest().find('}');
    const std::string_view inner = close == std::string_view::npos ? "" : rest().substr(1, close - 1);
    const bool counts = !inner.empty() && is_digit(inner[0]) && std::count(inner.begin(), inner.end(), ',') <= 1 &&
                        std::all_of(inner.begin(), inner.end(), [](char c) { return is_digit(c) || c == ','; });
    if (!counts) refuse(1);
    const std::string_view after = rest().substr(close + 1, 1);
    const bool exact = inner.find(',') == std::string_view::npos;
    if (after == "+" || (exact && after == "?")) refuse(close + 2);
    take(close + 1);
  }

  void escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\\';
    for (const ClassEscape& known : kClasses) {
      if (lower(c) == known.name) return class_escape(known.set, c != known.name);
    }
    if (c == 'p' || c == 'P') return property();
    if (c == 'x' || c == 'u') return code(c);
    if (c == 'v') return put(2, R"(\x{0b})");
    if ((c == 'b' || c == 'B') && !in_class_) return boundary(c == 'B');
    constexpr std::string_view kAnywhere = "dDnrtfae", kOutside = "AzZR";
    const bool same =
        kAnywhere.find(c) != std::string_view::npos || (!in_class_ && kOutside.find(c) != std::string_view::npos);
    if ((is_letter(c) && !same) || is_digit(c)) refuse(2);
    take(2);
  }

  void put(size_t n, std::string_view text) {
    out_ += text;
    at_ += n;
  }

  void class_escape(std::string_view set, bool complement) {
    if (in_class_ && complement) refuse(2);
    put(2, in_class_ ? std::string(set) : fmt::format("[{}{}]", complement ? "^" : "", set));
  }

  void boundary(bool complement) {
    const std::string word = fmt::format("[{}]", kClasses[1].set);
    const char* const form = complement ? "(?:(?<={0})(?={0})|(?<!{0})(?!{0}))" : "(?:(?<={0})(?!{0})|(?<!{0})(?={0}))";
    put(2, fmt::format(fmt::runtime(form), word));
  }

  // \p{L}, \p{Lu}; a longer name is a script, which PCRE2 takes with the characters that several scripts share.
  void property() {
    const size_t close = rest().find('}');
    if (close == std::string_view::npos || !rest().substr(2).starts_with('{')) refuse(2);
    const bool complement = rest()[3] == '^';
    const std::string_view name = rest().substr(complement ? 4 : 3, close - (complement ? 4 : 3));
    const bool category = name.size() <= 2 || name == "Any";
    out_ += fmt::format("\\{}{{{}{}{}}}", in_[at_ + 1], complement ? "^" : "", category ? "" : "sc:", name);
    at_ += close + 1;
  }

  // \x41, \x{e9}, \u00e9; from \x80 on two digits are a byte to Oniguruma.
  void code(char kind) {
    if (kind == 'u') {
      put(2, "\\x{");
      if (rest().size() < 4) refuse(0);
      take(4);
      out_ += '}';
      return;
    }
    const std::string_view digits = rest().substr(2, 2);
    if (digits.starts_with('{')) return take(std::min(rest().find('}'), rest().size() - 1) + 1);
    if (digits.size() < 2 || digits[0] > '7') refuse(2 + digits.size());
    take(2);
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string pcre2_pattern(std::string_view oniguruma, const std::string& where) {
  return Translation(oniguruma, where).run();
}

}  // namespace hindscan
