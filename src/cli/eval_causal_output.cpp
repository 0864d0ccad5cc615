#include "cli/eval_causal_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "eval/causal_words.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kColumn = 10, kNameColumn = 20;

// In five characters as far as it goes: ".42", "-1.3", "-71", "-12k".
std::string compact(double v) {
  const double size = std::abs(v);
  if (size >= 1e6) return fmt::format("{:.0e}", v);
  if (size >= 999.5) return fmt::format("{:.0f}k", v / 1000);
  if (size >= 0.995) return fmt::format("{:.{}f}", v, size < 9.95 ? 1 : 0);
  std::string out = fmt::format("{:.2f}", v);
  if (out == "-0.00") return ".00";
  out.erase(out.find('0'), 1);
  return out;
}

std::string range(const std::optional<Interval>& v) {
  return v ? fmt::format("{} {}", compact(v->low), compact(v->high)) : "";
}

// Two lines of a row: the figures, and below each its interval.
class Lines {
 public:
  explicit Lines(const std::string& name) : values_(fmt::format("{:<{}}", name, kNameColumn)) {}
  void add(const Figure& f) {
    values_ += fmt::format("{:>{}}", f.value ? compact(*f.value) : "-", kColumn);
    ranges_ += fmt::format("{:>{}}", range(f.interval), kColumn);
    any_ |= f.interval.has_value();
  }
  std::string text() const {
    return values_ + "\n" + (any_ ? fmt::format("{:<{}}{}\n", "", kNameColumn, ranges_) : "");
  }

 private:
  std::string values_, ranges_;
  bool any_ = false;
};

std::string titles(const std::vector<std::string>& columns) {
  std::string out = fmt::format("{:<{}}", "", kNameColumn);
  for (const std::string& c : columns) out += fmt::format("{:>{}}", c, kColumn);
  return out + "\n";
}

// Methods that are judged on fewer tokens than others, which rows side by side do not show.
std::string own_edits(const KindTable& kind) {
  std::string out;
  for (const CausalRow& row : kind.rows) {
    if (!row.reference && row.tokens > 0 && row.tokens < kind.tokens)
      out += fmt::format("{} is judged on {} of {}: it ran the others itself, or says nothing of them\n", row.name,
                         row.tokens, counted(kind.tokens, "token"));
  }
  return out;
}

std::string kind_table(const KindTable& kind) {
  std::string out = fmt::format("\n{}: {}\n", kind.kind.name, kind.kind.words);
  if (kind.rows.empty()) return out + "no method here foretells what such an edit does, so none was run\n";
  out += fmt::format("{} of {}\n", counted(kind.edits, "edit"), counted(kind.tokens, "token"));
  std::vector<std::string> columns;
  for (const FigureInfo& info : accuracy_figures()) {
    if (info.shown) columns.emplace_back(info.title);
  }
  out += titles(columns);
  for (const CausalRow& row : kind.rows) {
    if (row.tokens == 0) {
      out += fmt::format("{:<{}}{:>{}}   it ran these edits itself: nothing is foretold\n", row.name, kNameColumn, "-",
                         kColumn);
      continue;
    }
    Lines lines(row.name);
    for (size_t i = 0; i < row.figures.size(); ++i) {
      if (accuracy_figures()[i].shown) lines.add(row.figures[i]);
    }
    out += lines.text();
  }
  return out + own_edits(kind);
}

std::string many_table(const CausalTable& table) {
  std::string out = "\nmany tokens at once\n" + titles({"adds up", "deletion", "of log p"});
  for (const ManyRow& row : table.many) {
    Lines lines(row.name);
    for (const Figure* f : {&row.additivity, &row.area, &row.log_p_area}) lines.add(*f);
    out += lines.text();
  }
  return out;
}

std::string legend() {
  std::string out = "\n";
  for (const FigureInfo& info : accuracy_figures()) {
    if (info.shown) out += fmt::format("{:<10}{}\n", info.title, info.words);
  }
  return out +
         fmt::format(
             "adds up   {:.0f} % of the tokens replaced together: rank correlation with the sum of the single changes\n"
             "deletion  tokens taken out step by step (later ones move up): area between the target's curves, those\n"
             "          against it first and those for it first; of log p: the same scores, the logarithm of the\n"
             "          target's probability\n"
             "rows      1/distance: nearness alone; other half: what half of a token's edits say of the other half, a\n"
             "          measure of what scores blind to the new token can know; single edits: what really happened\n"
             "below     each figure its 95 % interval over texts; - where scores do not know the target, or nothing "
             "is\n"
             "          left to compare\n",
             100 * kMaskShare);
}

std::string heading(const CausalTable& table) {
  const auto [low, high] = std::minmax_element(table.texts.begin(), table.texts.end(),
                                               [](const auto& a, const auto& b) { return a.tokens < b.tokens; });
  return fmt::format(
      "model   {}\nsample  {} of {} to {} tokens; {} really run\ntarget  what the model takes to follow each text, "
      "rather than the runner-up: both fixed before any edit\n\n",
      printable(table.model).text, counted(table.texts.size(), "text"), low->tokens, high->tokens,
      counted(table.edited_texts, "edited version"));
}

}  // namespace

std::string causal_text(const CausalTable& table) {
  std::string out = heading(table);
  for (const std::string& line : causal_words(table)) out += line + "\n";
  for (const KindTable& kind : table.kinds) out += kind_table(kind);
  return out + many_table(table) + legend() + fmt::format("time      {:.1f} s\n", table.seconds);
}

}  // namespace hindscan::cli
