#include "explain/effects.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "explain/pieces.h"
#include "explain/score_words.h"

namespace hindscan {
namespace {

constexpr int kNameColumns = 40;

class Names {
 public:
  explicit Names(const ExplainReport& report) : report_(report) {
    const std::span<const TokenReport> read(report.tokens.data(), static_cast<size_t>(report.target.first() + 1));
    by_ = readable_pieces(read);
    words_ = pieces_of(read, 0, std::ssize(read), by_);
  }

  // What is no word of its own is named as a part of one: the word was not edited.
  std::string of(const Effect& e) const {
    const auto around = word_of(e);
    return is_part(e, around)
               ? fmt::format("the part {} of {}", text(e.first, e.last), text(around->first, around->last))
               : text(e.first, e.last);
  }

  // Where in the text: a word by those beside it, others by the number of their token.
  std::string place_of(const Effect& e) const {
    const auto word = word_of(e);
    if (by_ == PieceBy::kToken || is_part(e, word) || word->last < e.last) return fmt::format(" (token {})", e.first);
    const auto before = word == words_.begin() ? word : word - 1, after = word + 1 == words_.end() ? word : word + 1;
    return fmt::format(" in {}", text(before->first, after->last));
  }

  bool always_placed() const { return by_ == PieceBy::kToken; }

 private:
  std::vector<Piece>::const_iterator word_of(const Effect& e) const {
    return std::upper_bound(words_.begin(), words_.end(), e.first,
                            [](int64_t t, const Piece& w) { return t < w.last; });
  }
  static bool is_part(const Effect& e, std::vector<Piece>::const_iterator word) {
    return word->first < e.first || word->last > e.last;
  }
  std::string text(int64_t first, int64_t last) const {
    const auto begin = report_.tokens.begin() + first, end = report_.tokens.begin() + last;
    std::string out;
    for (auto token = begin; token < end; ++token)
      out += token->bytes.empty() ? shown_text(token->id, token->text) : token->bytes;
    const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
    if (std::all_of(out.begin(), out.end(), is_blank)) return quoted(out, kNameColumns);
    while (is_blank(out.back())) out.pop_back();  // ends of lines are no part of a name
    std::replace_if(out.begin(), out.end(), is_blank, ' ');
    return quoted(out, kNameColumns);
  }

  const ExplainReport& report_;
  PieceBy by_ = PieceBy::kToken;
  std::vector<Piece> words_;
};

}  // namespace

std::vector<Effect> effects_of(const ExplainReport& report, const MethodReport& method) {
  const Names names(report);
  std::vector<Effect> out;
  std::map<std::string, int> times;
  for (const auto& [first, last] : edited_spans(report, method)) {
    const double lost = piece_sum(Piece{first, last, {}}, method.scores());
    Effect e{first, last, {}, {}, std::isfinite(lost) ? lost : 0, method.found[static_cast<size_t>(first)]};
    e.name = names.of(e);
    ++times[e.name];
    if (e.found != Found::kNotAsked) out.push_back(std::move(e));
  }
  for (Effect& e : out) {
    if (names.always_placed() || times[e.name] > 1) e.place = names.place_of(e);
    e.name += e.place;
  }
  return out;
}

double largest_loss(const std::vector<Effect>& effects) {
  double out = 0;
  for (const Effect& e : effects) out = std::max(out, std::abs(e.lost));
  return out;
}

}  // namespace hindscan
