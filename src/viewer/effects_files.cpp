#include "viewer/effects_files.h"

#include <algorithm>
#include <cmath>

#include "base/formats.h"
#include "explain/position_sentence.h"
#include "io/npy.h"
#include "io/printable.h"
#include "viewer/matrix_picture.h"

namespace hindscan::viewer {

namespace {

constexpr int kNameColumns = 16;

std::string label(const Piece& p) {
  const size_t begin = std::min(p.bytes.find_first_not_of(' '), p.bytes.size());
  return printable(begin < p.bytes.size() ? p.bytes.substr(begin) : p.bytes, kNameColumns).text;
}

}  // namespace

std::string effects_png(const PositionEffects& e) {
  const std::string unit = piece_by_name(e.by);
  MatrixPicture p;
  p.title = fmt::format("What each later {} loses without each {} before it", unit, unit);
  p.subtitle = fmt::format("{} Model {}. Grey: not asked.", effects_sentence(e), e.model);
  p.rows = p.cols = e.size();
  std::vector<float> values(e.lost.begin(), e.lost.end());  // [n, n]
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t col = 0; col < p.cols; ++col) {
      if (!e.asked(row, col)) values[static_cast<size_t>(row * p.cols + col)] = NAN;
    }
    p.row_names.push_back(label(e.answers[static_cast<size_t>(row)]));
    p.col_names.push_back(label(e.pieces[static_cast<size_t>(row)]));
    p.row_numbers.push_back(row + 1 < p.rows          ? piece_number(e, row + 1)
                            : e.by == PieceBy::kToken ? e.answers.back().first
                                                      : p.rows);
    p.col_numbers.push_back(piece_number(e, row));
  }
  p.row_names.back() += " (likely next)";
  p.values = values;
  p.row_axis = fmt::format("{} that follows", unit);
  p.column_axis = fmt::format("{} taken out", unit);
  p.low = "likelier without it";
  p.high = "nats less likely without it (0.69 is half as likely)";
  return matrix_png(p);
}

void write_effects_npz(Fs& fs, const std::string& path, const PositionEffects& e) {
  const std::string_view format = format::kEffectsNpz;
  const std::u32string format_text(format.begin(), format.end()), weights(e.weights.begin(), e.weights.end());
  std::vector<int32_t> tokens, first, last, asked;
  for (const TokenReport& t : e.tokens) tokens.push_back(t.id);
  for (const Piece& p : e.pieces) {
    first.push_back(static_cast<int32_t>(p.first));
    last.push_back(static_cast<int32_t>(p.last));
  }
  const std::vector<int32_t> next = {e.next.id};
  for (int64_t row = 0; row < e.size(); ++row) {
    for (int64_t col = 0; col < e.size(); ++col) asked.push_back(e.asked(row, col) ? 1 : 0);
  }
  const uint64_t n = e.pieces.size();
  write_npz(
      fs, path,
      {npy_text("format", format_text), npy_text("weights", weights), npy_array("tokens", {tokens.size()}, tokens),
       npy_array("first", {n}, first), npy_array("last", {n}, last), npy_array("next", {1}, next),
       npy_array("log_p", {n}, e.log_p), npy_array("lost", {n, n}, e.lost), npy_array("asked", {n, n}, asked)});
}

}  // namespace hindscan::viewer
