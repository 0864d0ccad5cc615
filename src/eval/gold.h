// Tasks whose answers have known sources: does a method find them, does it predict interventions, and does it see a
// token that only clears what was stored?
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "explain/report.h"

namespace hindscan {

struct GoldExample {
  std::vector<int32_t> tokens;
  int64_t position = 0;  // the answer follows this token
  int32_t answer = 0;
  std::vector<int64_t> sources;  // tokens the answer comes from
  std::vector<int64_t> resets;   // tokens that cleared or replaced what was stored before
};

// Means over the examples. Scores are ranked by size, |score|, over all tokens up to the position.
struct GoldRow {
  std::string name;  // "row", "row mixer", ..., "gradient-x-input selection": the method, and the array where it is not
                     // its first
  std::optional<double> auc, average_precision;
  std::optional<double> spearman, sign_agreement;  // of predicted against measured edits, where the target is known
  std::optional<double> reset_auc;                 // rank of reset tokens whose removal changes the target
  int64_t reset_examples = 0;
  std::string label;  // "value path only": reset_auc below kFindsReset
};

struct GoldTable {
  std::vector<GoldRow> rows;
  int64_t examples = 0;
  double accuracy = 0;          // of the model's answers
  double max_residual = 0;      // of any layer of any example
  double max_conservation = 0;  // of |residual| / max(|target|, 1) where the scores decompose the target
};

constexpr double kFindsReset = 0.8;    // AUC a method needs to count as seeing resets
constexpr double kCausalReset = 0.25;  // a reset counts when removing it does this much of the largest removal

struct GoldOptions {
  std::vector<MethodSpec> methods = parse_methods("row,rollout,gradient-x-input,frozen");
  int causal_edits = 1 << 20;  // all there are: the texts are short
  uint64_t seed = 0;
  ProgressSink* progress = nullptr;
};
GoldTable gold_table(const Model& model, std::span<const GoldExample> examples, const GoldOptions& options);

}  // namespace hindscan
