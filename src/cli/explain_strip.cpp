#include "cli/explain_strip.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "explain/answers.h"
#include "explain/score_words.h"

namespace hindscan::cli {
namespace {

constexpr int64_t kWholeText = 2000, kWindow = 300;  // longer texts show a window before the target
constexpr int64_t kShortText = 400, kShortWindow = 200;

}  // namespace

bool marks_runs(const MethodReport& m) {
  const auto has = [&](Found f) { return std::find(m.found.begin(), m.found.end(), f) != m.found.end(); };
  return m.effect_of && has(Found::kMeasured) && has(Found::kEstimated);
}

double strip_scale(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  std::vector<double> sums;
  for (const Piece& p : pieces_of(r.tokens, 0, r.target.first() + 1, by)) sums.push_back(piece_sum(p, m.scores()));
  return largest_size(sums);
}

std::string explain_strip(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const int64_t end = r.target.first() + 1, T = r.target.places() > 1 ? end : static_cast<int64_t>(r.tokens.size());
  const int64_t begin = view.details       ? (end > kWholeText ? end - kWindow : 0)
                        : end > kShortText ? end - kShortWindow
                                           : 0;
  const auto count = [&](int64_t first, int64_t last) {
    return counted(pieces_of(r.tokens, first, last, view.by).size(), piece_word(r, view.by));
  };
  const std::vector<ScoredPiece> written = written_out(r.tokens, begin, end, view.by, m.scores());
  std::vector<HeatToken> tokens;
  tokens.reserve(written.size() + 1);
  // Signs under most words of a text hide what little is there: without colours the numbers' reader alone gets them.
  const bool marks = marks_runs(m) && (view.details || view.style.depth != ColorDepth::kNone);
  for (const ScoredPiece& w : written)
    tokens.push_back({w.piece.bytes, w.score, false, marks && found_words(m, w.piece) == "run"});
  const std::string predicted = answer_written(r.target);
  tokens.push_back({predicted, 0, true, false});
  std::string out =
      begin > 0 ? fmt::format("... {} before; the table names the strongest of all\n", count(0, begin)) : "";
  out += render_heatmap(tokens, strip_scale(r, m, view.by), view.style);
  if (end < T)
    out += fmt::format("... {} after the target {} no part\n", count(end, T), T - end == 1 ? "plays" : "play");
  return out;
}

}  // namespace hindscan::cli
