#include "cli/explain_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "cli/explain_notes.h"
#include "explain/score_words.h"
#include "explain/sentence.h"
#include "explain/sources.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int64_t kWholeText = 2000;  // longer texts show a window before the target
constexpr int64_t kWindow = 300;
constexpr int kTokenColumn = 18;

std::string quoted(std::string_view bytes, int width = 40) { return "\"" + printable(bytes, width).text + "\""; }

std::string method_line(const ExplainReport& r, const MethodReport& m) {
  const std::string asked = asked_words(r, m);
  return fmt::format("method  {}: {}\n{}\n", m.name, m.words, asked.empty() ? "" : fmt::format("asked   {}\n", asked));
}

std::string heading(const ExplainReport& r, const MethodReport& m) {
  const TargetReport& t = r.target;
  const auto several = std::adjacent_find(r.layers.begin(), r.layers.end(),
                                          [](const auto& a, const auto& b) { return a.layer == b.layer; });
  std::string out = fmt::format("model   {}   {}\n", printable(r.model).text,
                                counted(r.layers.size(), several == r.layers.end() ? "layer" : "token mixer"));
  const char* input = r.vectors ? "all the vectors" : "the whole text";
  if (t.kind == TargetKind::kToken) {
    out += fmt::format("target  what follows token {} of 0..{}: {}  p={:.3f}", t.position, r.tokens.size() - 1,
                       quoted(shown_text(t.id, t.text)), t.probability);
  } else if (t.kind == TargetKind::kClass) {
    out += fmt::format("target  the class of {} is {}  p={:.3f}", input, quoted(t.text), t.probability);
  } else {
    return out + fmt::format("target  {} of {}: {:.4f}\n", t.text, input, t.logit) + method_line(r, m);
  }
  if (t.contrast_id) {
    out += fmt::format("\n        rather than {}: logits {:.3f} - {:.3f} = {:.3f}",
                       quoted(shown_text(*t.contrast_id, t.contrast_text)), t.logit, t.contrast_logit, t.value());
  } else {
    out += fmt::format("   logit {:.3f}", t.logit);
  }
  return out + "\n" + method_line(r, m);
}

double strongest(const std::vector<Piece>& pieces, std::span<const double> scores) {
  std::vector<double> sums;
  sums.reserve(pieces.size());
  for (const Piece& p : pieces) sums.push_back(piece_sum<double>(p, scores));
  return largest_size(sums);
}

std::string strip(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const int64_t end = r.target.position + 1, T = static_cast<int64_t>(r.tokens.size());
  const int64_t begin = end > kWholeText ? end - kWindow : 0;
  const std::vector<ScoredPiece> written = written_out(r.tokens, begin, end, view.by, m.scores());
  std::vector<HeatToken> tokens;
  tokens.reserve(written.size() + 1);
  for (const ScoredPiece& w : written) tokens.push_back({w.piece.bytes, w.score, false});
  const std::string predicted = shown_text(r.target.id, r.target.text);
  tokens.push_back({predicted, 0, true});
  const double scale = strongest(pieces_of(r.tokens, 0, end, view.by), m.scores());
  std::string out =
      begin > 0 ? fmt::format("... {} before; the table names the strongest of all\n", counted(begin, "token")) : "";
  out += render_heatmap(tokens, scale, view.style);
  if (end < T)
    out +=
        fmt::format("... {} after the target {} no part\n", counted(T - end, "token"), T - end == 1 ? "plays" : "play");
  return out + "\n" + heatmap_legend(scale, sign_words(r, m), view.style) + "\n";
}

std::string positions(const Piece& p) {
  return p.last - p.first == 1 ? fmt::format("{}", p.first) : fmt::format("{}-{}", p.first, p.last - 1);
}

std::string source_table(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const std::span<const float> layers = m.layers();
  const bool effect = m.effect_of.has_value();  // sizes of effects are no shares of anything
  std::string out = fmt::format(" rank     pos  {:<{}} {:>10}   {}{}\n", piece_word(r, view.by), kTokenColumn,
                                effect ? "lost" : "score", effect ? "how" : "share",
                                layers.empty() ? "" : fmt::format("   by layer (0..{})", r.layers.size() - 1));
  int rank = 0;
  for (const Source& s : strongest_sources(r, m, view.by, view.top)) {
    const Printable token = printable(s.piece.bytes, kTokenColumn - 2);
    const std::string name = pad_right({"\"" + token.text + "\"", token.width + 2, false}, kTokenColumn);
    const std::string by_layer = sparkline(piece_layers(s.piece, layers, r.tokens.size()));
    const std::string beside = effect ? " " + found_words(m, s.piece) : fmt::format("{:5.1f}%", 100 * s.share);
    out += fmt::format(" {:4} {:>7}  {} {:10.4f}  {}{}{}\n", ++rank, positions(s.piece), name, s.score, beside,
                       by_layer.empty() ? "" : "   ", by_layer);
  }
  return out + "\n";
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

}  // namespace

std::string explain_text(const ExplainReport& report, const ExplainView& view) {
  const MethodReport& m = report.methods[shown_method(report, view.show)];
  std::string out = explain_sentence(report, m, view.by) + "\n\n" + heading(report, m);
  out += strip(report, m, view) + source_table(report, m, view);
  out += method_table(report) + "\n" + explain_notes(report, m, view.by);
  return out + fmt::format("time    {:.2f} s   peak memory {:.0f} MiB\n", report.seconds,
                           static_cast<double>(report.peak_bytes) / (1 << 20));
}

}  // namespace hindscan::cli
