#include "cli/eval_causal_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "eval/causal_words.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr int kColumn = 10, kFileColumn = 18;
constexpr size_t kNameColumn = 20;

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

// A name that is too long for its column has a line of its own.
std::string name_cell(const std::string& name) {
  return name.size() < kNameColumn ? fmt::format("{:<{}}", name, kNameColumn)
                                   : fmt::format("{}\n{:<{}}", name, "", kNameColumn);
}

// Two lines of a row: the figures, and below each its interval.
class Lines {
 public:
  explicit Lines(const std::string& name, int column = kColumn) : values_(name_cell(name)), column_(column) {}
  void add(const Figure& f) {
    values_ += fmt::format("{:>{}}", f.value ? compact(*f.value) : "-", column_);
    ranges_ += fmt::format("{:>{}}", range(f.interval), column_);
    any_ |= f.interval.has_value();
  }
  std::string text() const {
    return values_ + "\n" + (any_ ? fmt::format("{:<{}}{}\n", "", kNameColumn, ranges_) : "");
  }

 private:
  std::string values_, ranges_;
  int column_;
  bool any_ = false;
};

std::string titles(const std::vector<std::string>& columns, int column = kColumn) {
  std::string out = fmt::format("{:<{}}", "", kNameColumn);
  for (const std::string& c : columns) out += fmt::format("{:>{}}", c, column);
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
      out +=
          fmt::format("{}{:>{}}   it ran these edits itself: nothing is foretold\n", name_cell(row.name), "-", kColumn);
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

std::string file_tables(const CausalTable& table) {
  std::string out;
  std::vector<std::string> names;
  for (const std::string& file : table.files) names.push_back(printable(file, kFileColumn - 2).text);
  for (const FileTable& of_kind : table.skill_by_file) {
    if (of_kind.rows.empty()) continue;
    out += fmt::format("\n{}: skill on the texts of each file\n", of_kind.kind.name) + titles(names, kFileColumn);
    for (const FileRow& row : of_kind.rows) {
      Lines lines(row.name, kFileColumn);
      for (const Figure& f : row.figures) lines.add(f);
      out += lines.text();
    }
  }
  return out;
}

// Rank correlation with another target than the scores are about: one column a kind of edit.
std::string log_p_table(const CausalTable& table) {
  const size_t at = figure_index("log_p_rank");
  std::vector<std::string> kinds, names;
  std::vector<const KindTable*> run;
  for (const KindTable& kind : table.kinds) {
    if (kind.rows.empty()) continue;
    kinds.emplace_back(kind.kind.name);
    run.push_back(&kind);
    for (const CausalRow& row : kind.rows) {
      if (row.targeted && std::find(names.begin(), names.end(), row.name) == names.end()) names.push_back(row.name);
    }
  }
  std::string out = fmt::format("\nlog p: {}\n", accuracy_figures()[at].words) + titles(kinds, kFileColumn);
  for (const std::string& name : names) {
    Lines lines(name, kFileColumn);
    for (const KindTable* kind : run) {
      const auto row =
          std::find_if(kind->rows.begin(), kind->rows.end(), [&](const auto& r) { return r.name == name; });
      lines.add(row == kind->rows.end() ? Figure() : row->figures[at]);
    }
    out += lines.text();
  }
  return names.empty() ? "" : out;
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
             "log p     the scores are of the difference of two logits and do not aim at it: how well they rank what\n"
             "          the same edits do to the logarithm of the target's probability\n"
             "rows      1/distance: nearness alone; other half: what half of a token's edits say of the other half, a\n"
             "          measure of what scores blind to the new token can know; ridge surrogate: a linear model of\n"
             "          which tokens were replaced, fitted to half of the versions, judged on the others; single\n"
             "          edits: what really happened\n"
             "below     each figure its 95 % interval over texts, drawn within each file; - where scores do not know\n"
             "          the target, or nothing is left to compare\n",
             100 * kMaskShare);
}

std::string of_files(const CausalTable& table) {
  std::string out;
  for (size_t f = 0; f < table.files.size() && table.files.size() > 1; ++f) {
    const auto texts =
        std::count_if(table.texts.begin(), table.texts.end(), [&](const auto& t) { return t.file == f; });
    out += fmt::format("{} {} of {}", f == 0 ? ":" : ",", texts, printable(table.files[f]).text);
  }
  return out;
}

std::string heading(const CausalTable& table) {
  const auto [low, high] = std::minmax_element(table.texts.begin(), table.texts.end(),
                                               [](const auto& a, const auto& b) { return a.tokens < b.tokens; });
  return fmt::format(
      "model   {}\nsample  {} of {}{} tokens{}; {} really run\ntarget  what the model takes to follow each text, "
      "rather than the runner-up: both fixed before any edit\n\n",
      printable(table.model).text, counted(table.texts.size(), "text"),
      low->tokens == high->tokens ? "" : fmt::format("{} to ", low->tokens), high->tokens, of_files(table),
      counted(table.edited_texts, "edited version"));
}

}  // namespace

std::string causal_text(const CausalTable& table) {
  std::string out = heading(table);
  for (const std::string& line : causal_words(table)) out += line + "\n";
  for (const KindTable& kind : table.kinds) out += kind_table(kind);
  out += file_tables(table) + log_p_table(table);
  return out + many_table(table) + legend() + fmt::format("time      {:.1f} s\n", table.seconds);
}

}  // namespace hindscan::cli
