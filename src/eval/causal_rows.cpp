#include "eval/causal_rows.h"

#include <algorithm>
#include <iterator>

#include "eval/causal_words.h"

namespace hindscan {

namespace {

template <class Row>
Row& row_of(std::vector<Row>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
  if (found != rows.end()) return *found;
  rows.emplace_back();
  rows.back().name = name;
  return rows.back();
}

}  // namespace

void CausalRows::add(std::vector<Row>& rows, const std::string& name, bool targeted, bool reference,
                     const TextEdits& edits) {
  Row& row = row_of(rows, name);
  row.targeted = targeted;
  row.reference = reference;
  row.tokens += std::ssize(edits.sizes);
  if (edits.sizes.empty()) return;
  row.texts.push_back(figures_of(edits));
  row.texts.back().file = file_;
}

void CausalRows::add(const Scoring& scoring, bool reference, const TextTrials& trials, int64_t tokens) {
  for (size_t k = 0; k < kTrials; ++k) {
    const std::vector<Standing>& standing = scoring.trials[k].standing;
    const bool silent =
        std::all_of(standing.begin(), standing.end(), [](Standing s) { return s == Standing::kSilent; });
    if (silent) continue;
    add(rows_[k], scoring.name, scoring.targeted, reference, pairs_of(trials[k], scoring, scoring.trials[k], tokens));
  }
}

void CausalRows::add_halves(const TextTrials& trials, int64_t tokens) {
  for (size_t k = 0; k < kTrials; ++k) {
    const TextEdits halves = halves_of(trials[k], tokens);
    if (!halves.sizes.empty()) add(rows_[k], "other half", true, true, halves);
  }
}

void CausalRows::add_many(const std::string& name, bool reference, const std::optional<double>& additivity,
                          const std::optional<Outcome>& area) {
  Many& row = row_of(many_, name);
  row.reference = reference;
  row.additivity.push_back({additivity, file_});
  row.area.push_back({area ? std::optional(area->contrast) : std::nullopt, file_});
  row.log_p_area.push_back({area ? std::optional(area->log_p) : std::nullopt, file_});
}

std::vector<CausalRow> CausalRows::rows(size_t trial) const {
  std::vector<CausalRow> out;
  for (const Row& r : rows_[trial]) out.push_back({r.name, r.targeted, r.reference, accuracy_of(r.texts), r.tokens});
  return out;
}

std::vector<FileRow> CausalRows::by_file(size_t trial, const char* figure, size_t files) const {
  std::vector<FileRow> out;
  for (const Row& r : rows_[trial]) {
    FileRow row{r.name, {}};
    bool any = false;
    for (size_t f = 0; f < files; ++f) {
      std::vector<TextFigures> texts;
      std::copy_if(r.texts.begin(), r.texts.end(), std::back_inserter(texts),
                   [&](const auto& t) { return t.file == f; });
      row.figures.push_back(figure_over(accuracy_figures()[figure_index(figure)], texts));
      any |= row.figures.back().value.has_value();
    }
    if (any) out.push_back(std::move(row));
  }
  return out;
}

std::vector<ManyRow> CausalRows::many() const {
  std::vector<ManyRow> out;
  for (const Many& r : many_)
    out.push_back({r.name, r.reference, mean_figure(r.additivity), mean_figure(r.area), mean_figure(r.log_p_area)});
  return out;
}

}  // namespace hindscan
