#include "explain/sources.h"

#include <algorithm>
#include <cmath>

#include "base/order.h"

namespace hindscan {

std::vector<Source> strongest_sources(const ExplainReport& report, const MethodReport& method, PieceBy by,
                                      int64_t count) {
  std::vector<Source> out;
  double total = 0;
  for (Piece& p : pieces_of(report.tokens, 0, report.target.first() + 1, by)) {
    const double score = piece_sum(p, method.scores());
    total += std::isfinite(score) ? std::abs(score) : 0;
    out.push_back({std::move(p), score, 0});
  }
  const auto n = std::min<std::ptrdiff_t>(count, std::ssize(out));
  std::partial_sort(out.begin(), out.begin() + n, out.end(), [](const Source& a, const Source& b) {
    const double x = std::abs(a.score), y = std::abs(b.score);
    return descending(x, y) || (!descending(y, x) && a.piece.first < b.piece.first);
  });
  out.resize(static_cast<size_t>(n));
  std::erase_if(out, [](const Source& s) { return s.score == 0; });
  for (Source& s : out) s.share = total > 0 ? std::abs(s.score) / total : 0;
  return out;
}

}  // namespace hindscan
