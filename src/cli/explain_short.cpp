#include "cli/explain_short.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "cli/explain_notes.h"
#include "cli/explain_strip.h"
#include "cli/explain_tables.h"
#include "explain/effects.h"
#include "explain/score_words.h"
#include "explain/sentence.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

size_t width(const HeatmapStyle& style) { return static_cast<size_t>(style.columns); }

// Where other pieces are shown than were taken out.
std::string how_shared(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  if (m.edited == piece_by_name(by)) return "";
  std::string out;
  if (tells(r, m, by, "sum"))
    out += fmt::format(" Several {}s in one are added up: each was taken out alone.", m.edited);
  if (tells(r, m, by, "part")) out += fmt::format(" What a longer {} does is shared equally.", m.edited);
  return out;
}

// What the bars or colours say of a text whose words were taken out one by one.
std::string effects_legend(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const bool bars = view.style.depth == ColorDepth::kNone;
  const std::vector<Piece> pieces = pieces_of(r.tokens, 0, r.target.first() + 1, view.by);
  const auto some = [&](double sign) {
    return std::any_of(pieces.begin(), pieces.end(),
                       [&](const Piece& p) { return sign * piece_sum(p, m.scores()) > 0; });
  };
  if (!some(1) && !some(-1)) return "";
  const std::string it = m.effect_of == EditKind::kRemove ? "without it" : "without what the layers write there";
  std::string out = fmt::format("{}: how far {} ", bars ? "Below a word" : "Behind a word", target_words(r));
  if (some(1)) out += fmt::format("falls {} {}", it, bars ? "(from little to much: . : - = + * # % @)" : "(orange)");
  if (some(1) && some(-1)) out += ", or ";
  if (some(-1)) out += fmt::format("rises {} {}", it, bars ? "(1 to 9)" : "(blue)");
  if (marks_runs(m) && !bars) out += ". Underlined: really run";
  return paragraph("", out + "." + how_shared(r, m, view.by), width(view.style));
}

// What would come, and how much likelier it would be: `"door", 16 times as likely as "window"`.
std::string then(const ExplainReport& r, double lost, bool about) {
  const double value = r.target.value() - lost;
  if (is_preference(r)) {
    const Lead lead = lead_at(r, value, about);
    return fmt::format("{} {} as {}", lead.ahead, lead.times, lead.behind);
  }
  if (is_log_p(r) && lost != 0) return (about ? "about " : "") + change_words(lost);
  if (is_log_p(r)) return probability_words(std::exp(value));
  return (about ? "about " : "") + value_words(value) + value_unit(r);
}

struct Row {
  std::string what, then, how;
};

std::string lay_out(const std::vector<Row>& rows, const HeatmapStyle& style) {
  int first = 0, second = 0, third = 0;
  for (const Row& row : rows) {
    first = std::max(first, printable(row.what).width);
    second = std::max(second, printable(row.then).width);
    third = std::max(third, printable(row.how).width);
  }
  const bool fits = !style.is_narrow() || 1 + first + 3 + second + 3 + third <= style.columns;
  std::string out;
  for (const Row& row : rows) {
    if (!fits) {  // one below the other
      out += " " + printable(row.what).text + "\n" +
             paragraph(" ", printable(row.then).text + (row.how.empty() ? "" : ", " + row.how), width(style));
      continue;
    }
    std::string line = " " + pad_right(printable(row.what), first) + "   " + pad_right(printable(row.then), second) +
                       (row.how.empty() ? "" : "   " + row.how);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

// The edits that matter, the strongest first.
std::string effects_table(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  std::vector<Effect> effects = effects_of(r, m);
  const auto all = effects.size();
  const double largest = largest_loss(effects), hardly = is_preference(r) ? kHardly : 0;
  const double least = std::min(largest, std::max(kMaterial * largest, hardly));
  std::erase_if(effects, [&](const Effect& e) { return e.lost == 0 || std::abs(e.lost) < least; });
  std::stable_sort(effects.begin(), effects.end(),
                   [](const Effect& a, const Effect& b) { return std::abs(a.lost) > std::abs(b.lost); });
  effects.resize(std::min(effects.size(), static_cast<size_t>(view.top)));
  if (effects.empty()) return "";
  const std::string of = is_preference(r) ? "the model then finds" : is_log_p(r) ? "it is then" : target_words(r);
  const char* done = m.effect_of == EditKind::kRemove ? "taken out" : "not written";
  std::vector<Row> rows = {{done, of, ""}, {"nothing", then(r, 0, false), ""}};
  for (const Effect& e : effects)
    rows.push_back({e.name, then(r, e.lost, e.found == Found::kEstimated),
                    e.found == Found::kEstimated ? "estimate" : "really run"});
  std::string out = lay_out(rows, view.style);
  if (effects.size() < all)
    out += fmt::format(" ({} {} less)\n", counted(all - effects.size(), "other " + m.edited),
                       all - effects.size() == 1 ? "matters" : "matter");
  return out + "\n";
}

std::string effects_text(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  const std::string trust = m.trust.empty() ? "" : paragraph("checked", m.trust + ".", width(view.style));
  const std::string legend = effects_legend(r, m, view);
  return explain_strip(r, m, view) + "\n" + (legend.empty() ? "" : legend + "\n") + effects_table(r, m, view) + trust;
}

std::string scores_text(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  std::string out = method_line(r, m) + explain_strip(r, m, view) + "\n" +
                    heatmap_legend(strip_scale(r, m, view.by), sign_words(r, m), view.style) + "\n" +
                    source_table(r, m, view);
  return out + remark(m);
}

}  // namespace

std::string explain_short(const ExplainReport& r, const MethodReport& m, const ExplainView& view) {
  std::string out = paragraph("", explain_sentence(r, m, view.by), width(view.style));
  if (!r.left_out.empty()) out += paragraph("", r.left_out, width(view.style));
  return out + "\n" + (m.effect_of ? effects_text(r, m, view) : scores_text(r, m, view));
}

}  // namespace hindscan::cli
