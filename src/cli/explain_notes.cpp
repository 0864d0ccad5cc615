#include "cli/explain_notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/order.h"
#include "explain/method.h"
#include "explain/score_words.h"

namespace hindscan::cli {

std::string paragraph(std::string_view head, std::string_view text, size_t columns) {
  const size_t indent = head.empty() ? 0 : std::max<size_t>(8, head.size() + 2);
  std::string out, line = fmt::format("{:<{}}", head, indent);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (line.size() > indent && line.size() + 1 + (end - at) > columns) {
      out += line + "\n";
      line.assign(indent, ' ');
    }
    line += fmt::format("{}{}", line.size() > indent ? " " : "", text.substr(at, end - at));
    at = end + 1;
  }
  return out + line + "\n";
}

std::string remark(const MethodReport& m) {
  return m.label.empty() ? "" : paragraph("note", fmt::format("{}: {}", m.name, m.label));
}

namespace {

constexpr double kAddsUp = 1e-3;  // what rounding leaves is far below, a part left out far above

// How to read scores that are effects of edits.
std::string effects(const ExplainReport& r, const MethodReport& m, PieceBy by) {
  std::string lost = fmt::format("how far {} falls", target_words(r));
  if (r.target.contrast_id)
    lost += fmt::format(": at {:.2f} the one is {:.3g} times as likely as the other, and each 0.69 less halves that",
                        r.target.value(), std::exp(r.target.value()));
  lost += "; tokens that stand in for each other lose little each, so the numbers do not add up";
  std::string how = "run: the model was really run so; estimate: it was not";
  if (tells(r, m, by, "sum")) how += "; sum: of edits made one by one, and not what all of them together do";
  if (tells(r, m, by, "part")) how += "; part: an equal part of what the edit of something longer does";
  return paragraph("lost", lost) + paragraph("how", how);
}

std::string bars(const ExplainReport& r, const MethodReport& shown) {
  const MethodReport* m = layered_method(r, shown);
  if (m == nullptr) return "";
  const std::string of = m == &shown ? "" : ", of " + m->name;
  return paragraph("bars", fmt::format("by layer{}, sizes, every line on its own scale: {}", of,
                                       m->find(m->total().name, true)->words));
}

std::string shares(const MethodReport& m) {
  double total = 0;
  for (const NamedShare& s : m.shares) total += std::abs(s.value);
  if (m.shares.empty() || total == 0) return "";
  std::string out = fmt::format("{}, summed over layers (each counts again, so no parts of the sum):", m.name);
  for (const NamedShare& s : m.shares)
    out += fmt::format("{} {} {:.3f}", &s == &m.shares[0] ? "" : ",", s.name, s.value);
  return paragraph("paths", out);
}

std::string own_notes(const MethodReport& m) {
  std::string out;
  for (const MethodNote& n : m.notes) out += paragraph(n.head, n.text);
  return out;
}

std::string held(const ExplainReport& r) {
  std::vector<std::string> notes;
  for (const LayerReport& l : r.layers) {
    const std::string note = fmt::format("{}: {}", l.structure.words, l.structure.held);
    if (!l.structure.held.empty() && std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  return notes.empty() ? "" : paragraph("held", fmt::format("{}", fmt::join(notes, "; ")));
}

std::string layer_check(const ExplainReport& r) {
  if (r.layers.empty()) return "";
  const LayerReport& worst = *std::max_element(r.layers.begin(), r.layers.end(), [](const auto& a, const auto& b) {
    return ascending(a.max_residual, b.max_residual);
  });
  return fmt::format("check   each layer: sources + state + skip = output, largest residual {:.1e} (layer {}): {}\n",
                     worst.max_residual, worst.layer,
                     worst.max_residual < kAddsUp ? "it adds up" : "it does NOT add up");
}

std::string checks(const ExplainReport& r) {
  std::string out = layer_check(r);
  if (r.vectors) out += paragraph("causal", "none: vectors have no other tokens to be exchanged for");
  const auto has_no_interval = [](const MethodReport& m) {
    return m.causal && m.causal->spearman && !m.causal->spearman_interval;
  };
  const bool few = std::any_of(r.methods.begin(), r.methods.end(), has_no_interval);
  for (const MethodReport& m : r.methods) {
    if (!m.causal || m.causal->edits == 0) continue;
    const int64_t first = m.causal->first, last = m.causal->last - 1;
    out += paragraph(
        "causal",
        fmt::format(
            "{} of {} (not of the last one{}) really re-run: rank correlation and sign agreement above, each "
            "with the 95 % interval it has from these edits of one text{}; methods whose scores do not know the "
            "target have none",
            counted(m.causal->edits, "edit"),
            first == last ? fmt::format("token {}", first) : fmt::format("tokens {}..{}", first, last),
            r.target.kind == TargetKind::kToken ? ": the prediction is read there" : "",
            few ? " (too few tokens for one of a rank correlation)" : ""));
    break;
  }
  return out;
}

}  // namespace

std::string explain_notes(const ExplainReport& report, const MethodReport& shown, PieceBy by) {
  std::string out = shown.effect_of ? effects(report, shown, by)
                                    : paragraph("share", "the size of a score as a part of all sizes together");
  out += bars(report, shown);
  for (const MethodReport& each : report.methods) out += remark(each) + shares(each) + own_notes(each);
  return out + held(report) + checks(report);
}

}  // namespace hindscan::cli
