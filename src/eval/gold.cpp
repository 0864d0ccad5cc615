#include "eval/gold.h"

#include <algorithm>
#include <cmath>

#include "eval/causal.h"
#include "eval/rank.h"
#include "explain/rerun.h"

namespace hindscan {

namespace {

struct Mean {
  double sum = 0;
  int64_t n = 0;
  void add(const std::optional<double>& v) {
    if (!v) return;
    sum += *v;
    ++n;
  }
  std::optional<double> value() const {
    return n == 0 ? std::nullopt : std::optional<double>(sum / static_cast<double>(n));
  }
};

struct RowMeans {
  std::string name;
  Mean auc, precision, spearman, sign, reset;
};

// One scoring of the tokens, as the table compares them.
struct Scoring {
  std::string name;
  std::vector<double> size;       // [position + 1] |score|
  std::vector<double> predicted;  // change by each edit; empty when the scores do not know the target
};

std::vector<double> sizes_of(std::span<const double> scores, int64_t position) {
  std::vector<double> out(scores.begin(), scores.begin() + position + 1);
  for (double& v : out) v = std::abs(v);
  return out;
}

std::vector<Scoring> scorings(const ExplainRequest& request, const ExplainReport& report, std::span<const Edit> edits) {
  std::vector<Scoring> out;
  for (const MethodReport& m : report.methods) {
    for (const ScoreArray& a : m.arrays) {
      if (!a.by_token()) continue;
      out.push_back({&a == &m.total() ? m.name : m.name + " " + a.name, sizes_of(a.tokens(), request.target),
                     m.targeted ? predicted_changes(request, report, m, a, edits) : std::vector<double>{}});
    }
  }
  return out;
}

std::vector<char> marks(const std::vector<int64_t>& positions, size_t n) {
  std::vector<char> out(n, 0);
  for (int64_t p : positions) {
    if (p >= 0 && p < static_cast<int64_t>(n)) out[static_cast<size_t>(p)] = 1;
  }
  return out;
}

// The resets whose removal really changes the target.
std::vector<int64_t> causal_resets(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                                   const std::vector<int64_t>& resets) {
  if (resets.empty()) return {};
  std::vector<Edit> removals;
  for (int64_t p = report.window.first; p < report.window.edits_end; ++p)
    removals.push_back({EditKind::kRemove, p, 0, 0});
  measure_edits(model, request, report, removals);
  double largest = 0;
  for (const Edit& e : removals) largest = std::max(largest, std::abs(e.measured));
  std::vector<int64_t> out;
  for (const Edit& e : removals) {
    const bool is_reset = std::find(resets.begin(), resets.end(), e.position) != resets.end();
    if (is_reset && largest > 0 && std::abs(e.measured) >= kCausalReset * largest) out.push_back(e.position);
  }
  return out;
}

class TableBuilder {
 public:
  TableBuilder(const Model& model, const GoldOptions& options) : model_(model), options_(options) {}

  void add(const GoldExample& example) {
    ExplainRequest request;
    request.tokens = example.tokens;
    request.methods = options_.methods;
    request.target = example.position;
    request.target_id = example.answer;
    request.causal_edits = options_.causal_edits;
    request.seed = options_.seed + static_cast<uint64_t>(table_.examples);
    ExplainReport report = explain(model_, request);
    const std::vector<Edit> edits = add_causal(model_, request, report);
    std::vector<double> measured;
    measured.reserve(edits.size());
    for (const Edit& e : edits) measured.push_back(e.measured);
    const size_t n = static_cast<size_t>(example.position) + 1;
    const std::vector<char> sources = marks(example.sources, n);
    const std::vector<char> resets = marks(causal_resets(model_, request, report, example.resets), n);
    const std::vector<Scoring> all = scorings(request, report, edits);
    if (means_.empty()) means_.resize(all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      RowMeans& m = means_[i];
      m.name = all[i].name;
      m.auc.add(auc(all[i].size, sources));
      m.precision.add(average_precision(all[i].size, sources));
      if (!all[i].predicted.empty()) {
        m.spearman.add(spearman(all[i].predicted, measured));
        m.sign.add(sign_agreement(all[i].predicted, measured));
      }
      m.reset.add(auc(all[i].size, resets));
    }
    for (const LayerReport& layer : report.layers)
      table_.max_residual = std::max(table_.max_residual, layer.max_residual);
    for (const MethodReport& m : report.methods) {
      const std::optional<Completeness>& adds_up = m.total().completeness;
      if (!adds_up) continue;
      const double share = std::abs(adds_up->residual) / std::max(1.0, std::abs(adds_up->target));
      table_.max_conservation = std::max(table_.max_conservation, share);
    }
    right_ += report.target.value() > 0 ? 1 : 0;  // the answer beats the best other token
    ++table_.examples;
  }

  GoldTable finish() {
    table_.accuracy = table_.examples == 0 ? 0 : static_cast<double>(right_) / static_cast<double>(table_.examples);
    for (const RowMeans& m : means_) {
      GoldRow row{m.name,         m.auc.value(),   m.precision.value(), m.spearman.value(),
                  m.sign.value(), m.reset.value(), m.reset.n,           ""};
      if (row.reset_auc && *row.reset_auc < kFindsReset) row.label = "value path only";
      table_.rows.push_back(std::move(row));
    }
    return std::move(table_);
  }

 private:
  const Model& model_;
  const GoldOptions& options_;
  GoldTable table_;
  std::vector<RowMeans> means_;
  int64_t right_ = 0;
};

}  // namespace

GoldTable gold_table(const Model& model, std::span<const GoldExample> examples, const GoldOptions& options) {
  TableBuilder builder(model, options);
  ProgressTask progress(options.progress, "gold sources", "examples", examples.size());
  for (const GoldExample& example : examples) {
    builder.add(example);
    progress.step();
  }
  return builder.finish();
}

}  // namespace hindscan
