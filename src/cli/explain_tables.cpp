#include "cli/explain_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "explain/score_words.h"
#include "explain/sources.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kTokenColumn = 18;

std::string positions(const Piece& p) {
  return p.last - p.first == 1 ? fmt::format("{}", p.first) : fmt::format("{}-{}", p.first, p.last - 1);
}

// In nine columns, whatever the size.
std::string compact(double v) {
  const double size = std::abs(v);
  return size >= 1e5 || (size != 0 && size < 5e-4) ? fmt::format("{:.1e}", v) : fmt::format("{:.3f}", v);
}

std::string number(const std::optional<double>& v, const char* none = "-") {
  return v ? fmt::format("{:.3f}", *v) : none;
}

// "0.42 [0.10, 0.66]"; without an interval the number alone.
std::string with_interval(const std::optional<double>& v, const std::optional<Interval>& i) {
  if (!v || !i) return number(v);
  return fmt::format("{:.2f} [{:.2f}, {:.2f}]", *v, i->low, i->high);
}

std::string percent_with_interval(const std::optional<double>& v, const std::optional<Interval>& i) {
  if (!v || !i) return "-";
  return fmt::format("{:.0f}% [{:.0f}, {:.0f}]", 100 * *v, 100 * i->low, 100 * i->high);
}

}  // namespace

std::string method_line(const ExplainReport& r, const MethodReport& m) {
  const std::string asked = asked_words(r, m);
  return fmt::format("method  {}: {}\n{}\n", m.name, m.words, asked.empty() ? "" : fmt::format("asked   {}\n", asked));
}

std::string source_table(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const MethodReport* layered = layered_method(r, m);
  const std::span<const float> layers = layered == nullptr ? std::span<const float>() : layered->layers();
  const bool effect = m.effect_of.has_value();  // sizes of effects are no shares of anything
  std::string out = fmt::format(" rank     pos  {:<{}} {:>10}   {}{}\n", piece_word(r, view.by), kTokenColumn,
                                effect ? "lost" : "score", effect ? "how" : "share",
                                layers.empty() ? ""
                                               : fmt::format("   by layer (0..{}{})", r.layers.size() - 1,
                                                             layered == &m ? "" : ", " + layered->name));
  int rank = 0;
  for (const Source& s : strongest_sources(r, m, view.by, view.top)) {
    const Printable token = printable(s.piece.bytes, kTokenColumn - 2);
    const std::string name = pad_right({"\"" + token.text + "\"", token.width + 2, false}, kTokenColumn);
    const std::string by_layer = sparkline(piece_layers(s.piece, layers, r.tokens.size()));
    const std::string beside = effect ? " " + found_words(m, s.piece) : fmt::format("{:5.1f}%", 100 * s.share);
    out += fmt::format(" {:4} {:>7}  {} {:10.4f}  {}{}{}\n", ++rank, positions(s.piece), name, s.score, beside,
                       by_layer.empty() ? "" : "   ", by_layer);
  }
  return out;
}

std::string method_table(const ExplainReport& r) {
  size_t width = 18;  // of the names
  for (const MethodReport& m : r.methods) width = std::max(width, m.name.size());
  std::string out = fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9} {:>9}   {:>19} {:>14}\n", "method", width, "sum",
                                "state in", "no token", "target", "residual", "causal", "sign");
  for (const MethodReport& m : r.methods) {
    const CausalReport causal = m.causal.value_or(CausalReport{});
    const ScoreArray& scores = m.total();
    const std::optional<Completeness>& whole = scores.completeness;
    const auto part = [&](double v) { return m.effect_of ? "-" : compact(v); };  // effects are parts of nothing
    out += fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9} {:>9}   {:>19} {:>14}\n", m.name, width, part(scores.sum),
                       part(scores.state), part(scores.no_token), whole ? compact(whole->target) : "-",
                       whole ? fmt::format("{:.1e}", whole->residual) : "none",
                       with_interval(causal.spearman, causal.spearman_interval),
                       percent_with_interval(causal.sign_agreement, causal.sign_interval));
  }
  return out;
}

}  // namespace hindscan::cli
