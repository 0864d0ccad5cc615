#include "explain/pieces.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "io/printable.h"
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

// The text of a range of tokens, and the places between them where it may be cut.
class Reading {
 public:
  Reading(std::span<const TokenReport> tokens, int64_t begin, int64_t end) {
    size_t spaces = 0;
    for (int64_t t = begin; t < end; ++t) {
      starts_.push_back(text_.size());
      spaces_from_.push_back(spaces);
      const std::string_view bytes = bytes_of(tokens[static_cast<size_t>(t)]);
      const size_t last = bytes.find_last_not_of(' ');
      if (last != std::string_view::npos) spaces = text_.size() + last + 1;
      text_ += bytes;
    }
    starts_.push_back(text_.size());
    find_characters();
    blank_lines_ = std::ranges::any_of(starts_, [&](size_t at) { return behind_blank_line(at); });
  }

  std::string_view between(size_t first, size_t last) const {
    return std::string_view(text_).substr(starts_[first], starts_[last] - starts_[first]);
  }
  bool empty(size_t token) const { return starts_[token] == starts_[token + 1]; }

  // Whether a piece that began with token `first` goes on with token t.
  bool joins(size_t first, size_t t, PieceBy by) const {
    if (empty(t - 1) || empty(t)) return false;
    const size_t at = starts_[t];
    if (!cut_[at]) return true;
    if (by == PieceBy::kToken) return false;
    const bool only_spaces = spaces_from_[t] <= starts_[first];
    if (by == PieceBy::kWord) return only_spaces ? after(at) == ' ' || is_word(after(at)) : same_word(at);
    return only_spaces || !(by == PieceBy::kSentence ? begins_sentence(at) : begins_paragraph(at));
  }

 private:
  void find_characters() {
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

  uint32_t after(size_t pos) const { return code_after(text_, pos); }
  uint32_t before(size_t pos, size_t* start = nullptr) const { return code_before(text_, pos, start); }

  bool same_word(size_t at) const {
    size_t start = at;
    const uint32_t left = before(at, &start), right = after(at);
    if (left == kNone || right == kNone || is_unspaced(left) || is_unspaced(right)) return false;
    if (is_apostrophe(right)) return is_word(left) && is_word(after(at + decode_utf8(text_, at).size));
    if (is_apostrophe(left)) return is_word(right) && is_word(before(start));
    return is_word(left) && is_word(right);
  }

  bool begins_sentence(size_t at) const {
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
  bool behind_blank_line(size_t at) const {
    size_t pos = at;
    if (before(at, &pos) != '\n') return false;
    uint32_t left = before(pos, &pos);
    while (left != '\n' && is_space(left)) left = before(pos, &pos);
    return left == '\n';
  }

  bool begins_paragraph(size_t at) const {
    return before(at) == '\n' && after(at) != '\n' && (!blank_lines_ || behind_blank_line(at));
  }

  // "3 p.m. when": a small letter follows.
  bool goes_on(size_t pos) const {
    for (int look = 0; look < kLook && (is_space(after(pos)) || is_opening(after(pos))); ++look)
      pos += decode_utf8(text_, pos).size;
    return category(after(pos)) == UTF8PROC_CATEGORY_LL;
  }

  // The word that ends at `dot` is one that is written with a dot, or an initial.
  bool is_title(size_t dot) const {
    size_t begin = dot;
    for (size_t start = begin; is_word(before(begin, &start)); begin = start) {
    }
    const std::string_view word = std::string_view(text_).substr(begin, dot - begin);
    constexpr std::string_view known[] = {"Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "No", "Fig"};
    const bool initial = word.size() == 1 && word[0] >= 'A' && word[0] <= 'Z' && word != "I";
    return initial || std::find(std::begin(known), std::end(known), word) != std::end(known);
  }

  std::string text_;
  std::vector<size_t> starts_;       // of each token, and the end
  std::vector<size_t> spaces_from_;  // by token: only spaces stand from here to its start
  std::vector<bool> cut_;            // by byte: a character begins here
  bool blank_lines_ = false;         // paragraphs end with one
};

}  // namespace

std::string_view bytes_of(const TokenReport& token) {
  return token.bytes.empty() ? std::string_view(token.text) : std::string_view(token.bytes);
}

std::string shown_text(int32_t id, const std::string& text) { return text.empty() ? fmt::format("<{}>", id) : text; }

const char* piece_by_name(PieceBy by) {
  constexpr const char* names[] = {"token", "word", "sentence", "paragraph"};
  return names[static_cast<size_t>(by)];
}

const char* piece_word(const ExplainReport& report, PieceBy by) {
  return report.vectors ? "vector" : piece_by_name(by);
}

PieceBy parse_piece_by(const std::string& name) {
  for (const PieceBy by : kPieces) {
    if (name == piece_by_name(by)) return by;
  }
  fail(ErrorCode::kUsage, "[explain] expected token, word, sentence or paragraph, found '{}'", name);
}

PieceBy readable_pieces(std::span<const TokenReport> tokens) {
  constexpr size_t kLettersOfAWord = 12;  // on average: what is longer runs on, as genes do
  size_t letters = 0, single = 0;
  bool spaces = false;
  for (const TokenReport& t : tokens) {
    const auto here =
        static_cast<size_t>(std::count_if(t.text.begin(), t.text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    letters += here;
    single += here == 1;
    spaces |= std::any_of(t.text.begin(), t.text.end(), [](char c) { return is_space(static_cast<uint8_t>(c)); });
  }
  if (letters == 0) return PieceBy::kToken;                 // numbers alone are known of them
  const bool spelled = single == tokens.size() && !spaces;  // every token a letter: no telling where a word begins
  const size_t words = pieces_of(tokens, 0, std::ssize(tokens), PieceBy::kWord).size();
  return spelled || words * kLettersOfAWord < letters ? PieceBy::kToken : PieceBy::kWord;
}

bool may_break(std::string_view left, std::string_view right) {
  const uint32_t before = code_before(left, left.size()), after = code_after(right, 0);
  if (before == kNone || after == kNone) return true;
  return is_space(before) || is_space(after) || is_unspaced(before) || is_unspaced(after);
}

std::vector<Piece> pieces_of(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by) {
  const Reading reading(tokens, begin, end);
  std::vector<Piece> out;
  const auto n = static_cast<size_t>(end - begin);
  for (size_t first = 0, t = 1; first < n; ++t) {
    if (t < n && reading.joins(first, t, by)) continue;
    const std::string_view bytes = reading.between(first, t);
    const auto id = tokens[static_cast<size_t>(begin) + first].id;
    out.push_back(
        {begin + static_cast<int64_t>(first), begin + static_cast<int64_t>(t), shown_text(id, std::string(bytes))});
    first = t;
  }
  return out;
}

std::vector<ScoredPiece> written_out(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by,
                                     std::span<const double> scores) {
  std::vector<ScoredPiece> out;
  for (Piece& whole : pieces_of(tokens, begin, end, by)) {
    const double score = piece_sum(whole, scores);
    if (by < PieceBy::kSentence) {
      out.push_back({std::move(whole), score});
      continue;
    }
    for (Piece& word : pieces_of(tokens, whole.first, whole.last, PieceBy::kWord))
      out.push_back({std::move(word), score});
  }
  return out;
}

std::vector<double> piece_layers(const Piece& piece, std::span<const float> layers, size_t tokens) {
  std::vector<double> out;
  for (size_t at = 0; tokens > 0 && at < layers.size(); at += tokens)
    out.push_back(piece_sum<float>(piece, layers.subspan(at, tokens)));
  return out;
}

std::string quoted(std::string_view bytes, int columns) {
  const size_t begin = std::min(bytes.find_first_not_of(' '), bytes.size());
  const std::string text = printable(begin < bytes.size() ? bytes.substr(begin) : bytes, columns).text;
  const bool has_mark = text.find('"') != std::string::npos;
  return has_mark ? "\u00ab" + text + "\u00bb" : "\"" + text + "\"";
}

}  // namespace hindscan
