#include "explain/position_sentence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "explain/effects.h"
#include "explain/score_words.h"

namespace hindscan {
namespace {

constexpr int kNameColumns = 30;
constexpr double kWorthSaying = 1;  // nats, of what gets likelier without a word
constexpr size_t kNamed = 3;

// What stands around a word is no part of its name; blanks alone are a name of their own.
std::string_view bare(std::string_view bytes) {
  constexpr std::string_view kBlanks = " \n\r\t";
  const size_t begin = bytes.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? bytes : bytes.substr(begin, bytes.find_last_not_of(kBlanks) + 1 - begin);
}

std::string bare_name(const Piece& p) { return quoted(bare(p.bytes), kNameColumns); }

bool several(const PositionEffects& e, const Piece& piece) {
  return std::count_if(e.pieces.begin(), e.pieces.end(),
                       [&](const Piece& p) { return bare(p.bytes) == bare(piece.bytes); }) > 1;
}

std::string listed(const PositionEffects& e, const std::vector<int64_t>& rows) {
  std::string out;
  const size_t shown = rows.size() > kNamed + 1 ? kNamed : rows.size();
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == rows.size();
    out += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", answer_name(e, rows[i]));
  }
  return shown == rows.size() ? out : out + fmt::format(" and {} more", rows.size() - shown);
}

// The word right before another nearly always matters most for it, so those further back are looked at apart.
class Sentence {
 public:
  explicit Sentence(const PositionEffects& e) : e_(e), asked_(e.size() - e.first_row()), led_(e.pieces.size()) {
    for (int64_t row = e.first_row(); row < e.size(); ++row) {
      PositionEffect far;
      for (int64_t col = 0; col < row; ++col) {
        if (e.at(row, col) > far.lost) far = {row, col, e.at(row, col)};
      }
      for (int64_t col = 0; col <= row; ++col) {
        if (e.at(row, col) < rise_.lost) rise_ = {row, col, e.at(row, col)};
      }
      near_ += e.at(row, row) > std::max(kHardly, far.lost) ? 1 : 0;
      if (far.lost > kHardly) led_[static_cast<size_t>(far.col)].push_back(row);
      if (far.lost > fall_.lost) fall_ = far;
    }
  }

  std::string text() const {
    const std::string unit = piece_by_name(e_.by);
    std::string out =
        fmt::format("For {} of {} the {} right before mattered most.", near_, counted(asked_, "later " + unit), unit);
    if (fall_.lost <= kHardly) return out + fmt::format(" No {} further back matters.", unit);
    out += fmt::format(" Further back, {} mattered most for {}: without it, that is {}.", piece_name(e_, fall_.col),
                       answer_name(e_, fall_.row), change_words(fall_.lost));
    return out + most_often(unit) + in_the_way();
  }

 private:
  // `Of those further back, "old" mattered most for 3 of 8: "woman", "looked" and "at".`
  std::string most_often(const std::string& unit) const {
    const auto most =
        std::max_element(led_.begin(), led_.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (most->size() < 2) return fmt::format(" None of those mattered most for more than one {}.", unit);
    return fmt::format(" Of those further back, {} mattered most for {} of the {}: {}.",
                       piece_name(e_, most - led_.begin()), most->size(), counted(asked_, unit), listed(e_, *most));
  }

  std::string in_the_way() const {
    if (-rise_.lost < kWorthSaying) return "";
    return fmt::format(" {} stood most in the way of {}: without it, that is {}.", piece_name(e_, rise_.col),
                       answer_name(e_, rise_.row), change_words(rise_.lost));
  }

  const PositionEffects& e_;
  int64_t asked_;                          // rows
  std::vector<std::vector<int64_t>> led_;  // of each column: the rows for which it matters most further back
  PositionEffect fall_, rise_;
  int64_t near_ = 0;  // rows for which the column right before matters most
};

}  // namespace

int64_t piece_number(const PositionEffects& e, int64_t piece) {
  return e.by == PieceBy::kToken ? e.pieces[static_cast<size_t>(piece)].first : piece;
}

std::string piece_name(const PositionEffects& e, int64_t piece) {
  const Piece& p = e.pieces[static_cast<size_t>(piece)];
  if (e.by != PieceBy::kToken && !several(e, p)) return bare_name(p);
  return fmt::format("{} ({} {})", bare_name(p), piece_by_name(e.by), piece_number(e, piece));
}

std::string answer_name(const PositionEffects& e, int64_t row) {
  return row + 1 < e.size() ? piece_name(e, row + 1) : bare_name(e.answers.back()) + " (likely next)";
}

std::vector<PositionEffect> strongest_further_back(const PositionEffects& e, size_t count) {
  std::vector<PositionEffect> all;
  for (int64_t row = 1; row < e.size(); ++row) {
    for (int64_t col = 0; col < row; ++col) {
      if (std::abs(e.at(row, col)) > kHardly) all.push_back({row, col, e.at(row, col)});
    }
  }
  const auto n = static_cast<std::ptrdiff_t>(std::min(count, all.size()));
  std::partial_sort(all.begin(), all.begin() + n, all.end(), [](const PositionEffect& a, const PositionEffect& b) {
    const double x = std::abs(a.lost), y = std::abs(b.lost);
    return x > y || (x == y && std::pair(a.row, a.col) < std::pair(b.row, b.col));
  });
  all.resize(static_cast<size_t>(n));
  return all;
}

std::string effects_sentence(const PositionEffects& e) {
  return Sentence(e).text() +
         fmt::format(
             " Every number was really run: the text was read {} times, each time without one {}, which leaves "
             "a gap. Nothing is an estimate.",
             e.size(), piece_by_name(e.by));
}

}  // namespace hindscan
