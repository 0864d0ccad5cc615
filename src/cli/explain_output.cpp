#include "cli/explain_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "cli/explain_notes.h"
#include "cli/explain_short.h"
#include "cli/explain_strip.h"
#include "cli/explain_tables.h"
#include "explain/answers.h"
#include "explain/hops_text.h"
#include "explain/score_words.h"
#include "explain/sentence.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

std::string quoted(std::string_view bytes, int width = 40) { return "\"" + printable(bytes, width).text + "\""; }

std::string heading(const ExplainReport& r, const MethodReport& m) {
  const TargetReport& t = r.target;
  const auto several = std::adjacent_find(r.layers.begin(), r.layers.end(),
                                          [](const auto& a, const auto& b) { return a.layer == b.layer; });
  std::string out = fmt::format("model   {}   {}\n", printable(r.model).text,
                                counted(r.layers.size(), several == r.layers.end() ? "layer" : "token mixer"));
  const char* input = r.vectors ? "all the vectors" : "the whole text";
  if (t.kind == TargetKind::kToken) {
    out += fmt::format("target  what follows token {} of 0..{}: {}  p={:.3f}", t.first(), r.tokens.size() - 1,
                       quoted(answer_written(t)), t.probability);
  } else if (t.kind == TargetKind::kClass) {
    out += fmt::format("target  the class of {} is {}  p={:.3f}", input, quoted(t.text), t.probability);
  } else {
    return out + fmt::format("target  {} of {}: {:.4f}\n", t.text, input, t.logit) + method_line(r, m);
  }
  if (t.contrast_id) {
    out += fmt::format("\n        rather than {}: logits {:.3f} - {:.3f} = {:.3f}", quoted(other_written(t)), t.logit,
                       t.contrast_logit, t.value());
  } else {
    out += fmt::format("   {} {:.3f}", t.measure, t.value());
  }
  return out + "\n" + method_line(r, m);
}

std::string explain_details(const ExplainReport& report, const MethodReport& m, const ExplainView& view) {
  std::string out = explain_sentence(report, m, view.by) + "\n\n" + heading(report, m);
  out += explain_strip(report, m, view) + "\n" +
         heatmap_legend(strip_scale(report, m, view.by), sign_words(report, m), view.style);
  if (marks_runs(m))
    out += view.style.depth == ColorDepth::kNone ? "marked |: really run\n" : "underlined: really run\n";
  out += "\n";
  out += source_table(report, m, view) + hops_text(report) + "\n" + method_table(report) + "\n" +
         explain_notes(report, m, view.by);
  return out + fmt::format("time    {:.2f} s   peak memory {:.0f} MiB\n", report.seconds,
                           static_cast<double>(report.peak_bytes) / (1 << 20));
}

}  // namespace

std::string explain_text(const ExplainReport& report, const ExplainView& view) {
  const MethodReport& m = report.methods[shown_method(report, view.show)];
  if (view.details) return explain_details(report, m, view);
  return explain_short(report, m, view) + (report.hops.empty() ? "" : "\n" + hops_text(report));
}

}  // namespace hindscan::cli
