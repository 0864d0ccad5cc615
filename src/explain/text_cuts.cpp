#include "explain/text_cuts.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"
#include "io/unicode_class.h"

namespace hindscan {
namespace {

constexpr int kLook = 32;      // characters looked at around the end of a sentence
constexpr uint32_t kNone = 0;  // before the first and after the last character, and for bytes that make none

utf8proc_category_t category(uint32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool in(uint32_t code, std::u32string_view set) { return code != kNone && set.find(code) != std::u32string_view::npos; }

// The character that ends at pos; *start is where it begins.
uint32_t code_before(std::string_view text, size_t pos, size_t* start = nullptr) {
  const Utf8Char c = utf8_before(text, pos);
  if (!c.valid) return kNone;
  if (start != nullptr) *start = pos - c.size;
  return c.code;
}

uint32_t code_after(std::string_view text, size_t pos) {
  const Utf8Char c = pos < text.size() ? decode_utf8(text, pos) : Utf8Char{};
  return c.valid ? c.code : kNone;
}

bool is_apostrophe(uint32_t code) { return in(code, U"'\u2019"); }
bool is_closing(uint32_t code) { return in(code, U"\"'\u201d\u2019)]}\u00bb\u300d\u300f\uff09"); }
bool is_opening(uint32_t code) { return in(code, U"\"'\u201c\u2018([{\u00ab"); }
bool ends_sentence(uint32_t code) { return in(code, U".!?\u2026\u3002\uff01\uff1f\u0964\u061f"); }
bool ends_unspaced_sentence(uint32_t code) { return in(code, U"\u3002\uff01\uff1f"); }

// Scripts that set no spaces: Thai to Myanmar, Khmer, Hiragana, Han.
bool is_unspaced(uint32_t c) {
  return (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x1000 && c <= 0x109f) || (c >= 0x1780 && c <= 0x17ff) ||
         (c >= 0x3040 && c <= 0x309f) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x3ffff);
}

}  // namespace

TextCuts::TextCuts(std::span<const TokenReport> tokens, int64_t begin, int64_t end) {
  size_t spaces = 0, blanks = 0;
  for (int64_t t = begin; t < end; ++t) {
    starts_.push_back(text_.size());
    spaces_from_.push_back(spaces);
    blanks_from_.push_back(blanks);
    const std::string_view bytes = bytes_of(tokens[static_cast<size_t>(t)]);
    const auto behind = [&](size_t last, size_t& from) {
      if (last != std::string_view::npos) from = text_.size() + last + 1;
    };
    behind(bytes.find_last_not_of(' '), spaces);
    behind(bytes.find_last_not_of(" \r\n"), blanks);
    text_ += bytes;
  }
  starts_.push_back(text_.size());
  find_characters();
  blank_lines_ = std::ranges::any_of(starts_, [&](size_t at) { return behind_blank_line(at); });
}

bool TextCuts::joins(size_t first, size_t t, PieceBy by) const {
  if (empty(t - 1) || empty(t)) return false;
  const size_t at = starts_[t];
  if (!cut_[at]) return true;
  if (by == PieceBy::kToken) return false;
  const bool only_spaces = spaces_from_[t] <= starts_[first];
  if (by == PieceBy::kWord) return only_spaces ? after(at) == ' ' || is_word(after(at)) : same_word(at);
  if (blanks_from_[t] <= starts_[first] || begins_blank_line(at)) return true;
  return !(by == PieceBy::kSentence ? begins_sentence(at) : begins_paragraph(at));
}

void TextCuts::find_characters() {
  cut_.assign(text_.size() + 1, false);
  utf8proc_int32_t state = 0;
  uint32_t last = kNone;
  for (size_t pos = 0; pos < text_.size();) {
    const Utf8Char c = decode_utf8(text_, pos);
    const bool known = c.valid && last != kNone;
    cut_[pos] = !known || utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last),
                                                           static_cast<utf8proc_int32_t>(c.code), &state);
    if (!known) state = 0;
    last = c.valid ? c.code : kNone;
    pos += c.size;
  }
  cut_[text_.size()] = true;
}

uint32_t TextCuts::after(size_t pos) const { return code_after(text_, pos); }
uint32_t TextCuts::before(size_t pos, size_t* start) const { return code_before(text_, pos, start); }

bool TextCuts::same_word(size_t at) const {
  size_t start = at;
  const uint32_t left = before(at, &start), right = after(at);
  if (left == kNone || right == kNone || is_unspaced(left) || is_unspaced(right)) return false;
  if (is_apostrophe(right)) return is_word(left) && is_word(after(at + decode_utf8(text_, at).size));
  if (is_apostrophe(left)) return is_word(right) && is_word(before(start));
  return is_word(left) && is_word(right);
}

bool TextCuts::begins_sentence(size_t at) const {
  size_t pos = at;
  uint32_t left = before(at, &pos);
  if (left == '\n') return after(at) != '\n';
  bool spaced = is_space(after(at));
  for (int back = 0; back < kLook && left != kNone && is_space(left); ++back) {
    spaced = true;
    left = before(pos, &pos);
  }
  for (int back = 0; back < kLook && is_closing(left); ++back) left = before(pos, &pos);
  if (ends_unspaced_sentence(left)) return !is_closing(after(at));
  return ends_sentence(left) && spaced && (left != '.' || !(goes_on(at) || is_title(pos)));
}

// Behind a line of nothing but spaces.
bool TextCuts::behind_blank_line(size_t at) const {
  size_t pos = at;
  if (before(at, &pos) != '\n') return false;
  uint32_t left = before(pos, &pos);
  while (left != '\n' && is_space(left)) left = before(pos, &pos);
  return left == '\n';
}

// An empty line ends what stands before it, and begins nothing.
bool TextCuts::begins_blank_line(size_t at) const {
  if (before(at) != '\n') return false;
  const size_t next = text_.find_first_not_of(" \r", at);
  return next == std::string::npos || text_[next] == '\n';
}

bool TextCuts::begins_paragraph(size_t at) const {
  return before(at) == '\n' && after(at) != '\n' && (!blank_lines_ || behind_blank_line(at));
}

// "3 p.m. when": a small letter follows.
bool TextCuts::goes_on(size_t pos) const {
  for (int look = 0; look < kLook && (is_space(after(pos)) || is_opening(after(pos))); ++look)
    pos += decode_utf8(text_, pos).size;
  return category(after(pos)) == UTF8PROC_CATEGORY_LL;
}

// The word that ends at `dot` is one that is written with a dot, or an initial.
bool TextCuts::is_title(size_t dot) const {
  size_t begin = dot;
  for (size_t start = begin; is_word(before(begin, &start)); begin = start) {
  }
  const std::string_view word = std::string_view(text_).substr(begin, dot - begin);
  constexpr std::string_view known[] = {"Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "No", "Fig"};
  const bool initial = word.size() == 1 && word[0] >= 'A' && word[0] <= 'Z' && word != "I";
  return initial || std::find(std::begin(known), std::end(known), word) != std::end(known);
}

bool may_break(std::string_view left, std::string_view right) {
  const uint32_t before = code_before(left, left.size()), after = code_after(right, 0);
  if (before == kNone || after == kNone) return true;
  return is_space(before) || is_space(after) || is_unspaced(before) || is_unspaced(after);
}

}  // namespace hindscan
