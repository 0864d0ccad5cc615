#include "cli/effects_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "cli/explain_notes.h"
#include "explain/position_sentence.h"
#include "explain/score_array.h"
#include "explain/score_words.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kCell = 3, kNameColumns = 18, kNumberColumns = 4;

// A line of the matrix: the number and name of a word, then what it loses without each of those before it.
class Matrix {
 public:
  Matrix(const PositionEffects& effects, const HeatmapStyle& style)
      : e_(effects), style_(style), scale_(largest_size(effects.lost)) {
    const auto fit = std::max<int64_t>(2, (style.columns - kNumberColumns - kNameColumns - 3) / kCell);
    begin_ = std::max<int64_t>(0, e_.size() - fit);
  }

  std::string text() const {
    std::string out;
    if (begin_ > 0)
      out += fmt::format("The last {} of {}; a picture (-o out.png) has all of them.\n", e_.size() - begin_,
                         counted(e_.size(), piece_by_name(e_.by)));
    out += std::string(kNumberColumns + kNameColumns + 2, ' ') + "without\n" + line("", "", -1);
    const auto number = [&](int64_t piece) { return fmt::format("{}", piece_number(e_, piece)); };
    out += line(number(begin_), e_.pieces[static_cast<size_t>(begin_)].bytes, begin_ > 0 ? begin_ - 1 : -2);
    for (int64_t row = begin_; row < e_.size(); ++row)
      out += line(row + 1 < e_.size() ? number(row + 1) : "next", e_.answers[static_cast<size_t>(row)].bytes, row);
    return out;
  }

  std::string legend() const {
    const std::string scale = fmt::format("{:.3g}: {}", scale_, change_words(scale_));
    if (style_.depth == ColorDepth::kNone)
      return fmt::format(
          "Each line: how much less likely it becomes without each {} before it, from little to much . : - = + * # % "
          "@, or how much likelier, 1 to 9. @ is {}.",
          piece_by_name(e_.by), scale);
    return fmt::format(
        "Each line: how much less likely it becomes without each {} before it (orange), or likelier (blue). The "
        "strongest colour is {}.",
        piece_by_name(e_.by), scale);
  }

 private:
  // row -1: the numbers of the columns; -2: nothing stands before it.
  std::string line(const std::string& number, std::string_view bytes, int64_t row) const {
    const Printable name = printable(trimmed(bytes), kNameColumns);
    std::string out = fmt::format("{:>{}} {} ", number, kNumberColumns, pad_right(name, kNameColumns));
    for (int64_t col = begin_; col < e_.size() && row != -2 && (row == -1 || col <= row); ++col)
      out += row == -1 ? fmt::format("{:>{}}", piece_number(e_, col) % 100, kCell) : cell(row, col);
    return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }

  std::string cell(int64_t row, int64_t col) const {
    const double score = scale_ > 0 ? e_.at(row, col) / scale_ : 0;
    if (style_.depth == ColorDepth::kNone) return std::string(kCell - 1, ' ') + bar_char(score);
    const std::string on = sgr(score_color(score, style_.depth, style_.dark), style_.depth);
    return on.empty() ? std::string(kCell, ' ') : on + std::string(kCell, ' ') + sgr_reset();
  }

  static std::string_view trimmed(std::string_view bytes) {
    const size_t begin = bytes.find_first_not_of(' ');
    return begin == std::string_view::npos ? bytes : bytes.substr(begin);
  }

  const PositionEffects& e_;
  const HeatmapStyle& style_;
  double scale_;
  int64_t begin_;
};

std::string table(const PositionEffects& e, int64_t top) {
  std::vector<std::pair<Printable, Printable>> names;
  const std::vector<PositionEffect> strongest = strongest_further_back(e, static_cast<size_t>(top));
  if (strongest.empty()) return "";
  int first = 9, second = 4;
  for (const PositionEffect& f : strongest) {
    names.emplace_back(printable(piece_name(e, f.col)), printable(answer_name(e, f.row)));
    first = std::max(first, names.back().first.width);
    second = std::max(second, names.back().second.width);
  }
  std::string out = fmt::format("Further back than the {} right before, the strongest:\n {:<{}}   {:<{}}   becomes\n",
                                piece_by_name(e.by), "taken out", first, "then", second);
  for (size_t i = 0; i < strongest.size(); ++i)
    out += fmt::format(" {}   {}   {}\n", pad_right(names[i].first, first), pad_right(names[i].second, second),
                       change_words(strongest[i].lost));
  return out + "\n";
}

}  // namespace

std::string effects_text(const PositionEffects& e, const HeatmapStyle& style, int64_t top) {
  const Matrix matrix(e, style);
  const auto width = static_cast<size_t>(style.columns);
  return paragraph("", effects_sentence(e), width) + "\n" + matrix.text() + "\n" +
         paragraph("", matrix.legend(), width) + "\n" + table(e, top);
}

}  // namespace hindscan::cli
