#include "eval/causal_words.h"

#include <cstring>

#include "base/counted.h"

namespace hindscan {
namespace {

struct Cell {
  const KindTable* kind = nullptr;
  const CausalRow* row = nullptr;
  Figure figure;
};

std::string number(const Figure& f) {
  return f.interval ? fmt::format("{:.2f} [{:.2f}, {:.2f}]", *f.value, f.interval->low, f.interval->high)
                    : fmt::format("{:.2f}", *f.value);
}

// The worst (or best) cell of a figure among methods; sign -1: the best.
Cell extreme(const CausalTable& table, const KindTable* only, const char* figure, double sign) {
  Cell out;
  const size_t at = figure_index(figure);
  for (const KindTable& kind : table.kinds) {
    if (only != nullptr && only != &kind) continue;
    for (const CausalRow& row : kind.rows) {
      const Figure& f = row.figures[at];
      if (row.reference || !f.value) continue;
      if (out.row == nullptr || sign * *f.value < sign * *out.figure.value) out = {&kind, &row, f};
    }
  }
  return out;
}

const CausalRow* reference(const KindTable& kind, const char* figure) {
  for (const CausalRow& row : kind.rows) {
    if (row.reference && row.figures[figure_index(figure)].value) return &row;
  }
  return nullptr;
}

std::string worst_words(const CausalTable& table) {
  const Cell c = extreme(table, nullptr, "skill", 1);
  if (c.row == nullptr) return "No method here foretells how the target changes, only how much tokens matter.";
  const double v = *c.figure.value;
  return fmt::format("Worst: {} on {}: skill {}: {}.", c.row->name, c.kind->kind.name, number(c.figure),
                     v < 0      ? "worse than saying that nothing happens"
                     : v < 0.1  ? "hardly better than saying that nothing happens"
                     : v < 0.5  ? "less than half of what happens is foretold"
                     : v < 0.95 ? "a good part of what happens is foretold"
                                : "nearly all that happens is foretold");
}

std::string best_words(const CausalTable& table, const KindTable& kind) {
  const Cell c = extreme(table, &kind, "skill", -1);
  if (c.row == nullptr) return "";
  std::string out = fmt::format("Best on {}: {} with skill {}", kind.kind.name, c.row->name, number(c.figure));
  const CausalRow* ceiling = reference(kind, "skill");
  if (ceiling == nullptr) return out + ".";
  return out + fmt::format("; half of each token's edits foretell the other half with {}.",
                           number(ceiling->figures[figure_index("skill")]));
}

// Of the headline kind: does anything say more of sizes than the distance does?
std::string size_words(const CausalTable& table) {
  const KindTable& kind = table.kinds.front();
  const Cell best = extreme(table, &kind, "size_rank", -1);
  const CausalRow* near = reference(kind, "size_rank");
  if (best.row == nullptr || near == nullptr) return "";
  const Figure& distance = near->figures[figure_index("size_rank")];
  return fmt::format(
      "How much tokens matter ({}): being near alone ranks them with {}; of the methods {} does best with {}.",
      kind.kind.name, number(distance), best.row->name, number(best.figure));
}

}  // namespace

size_t figure_index(const char* name) {
  const std::span<const FigureInfo> all = accuracy_figures();
  for (size_t i = 0; i < all.size(); ++i) {
    if (std::strcmp(all[i].name, name) == 0) return i;
  }
  fail(ErrorCode::kInternal, "[eval] expected a figure of the table, found {}", name);
}

std::vector<std::string> causal_words(const CausalTable& table) {
  std::vector<std::string> out = {worst_words(table)};
  for (const KindTable& kind : table.kinds) out.push_back(best_words(table, kind));
  out.push_back(size_words(table));
  std::erase(out, "");
  return out;
}

}  // namespace hindscan
