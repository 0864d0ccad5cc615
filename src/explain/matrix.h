// Parts of one layer's implicit attention matrix: exact tiles, exact block sums, bounds of block sums.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "explain/estimator.h"
#include "explain/mixer_view.h"
#include "model/model.h"

namespace hindscan {

enum class Fidelity : uint8_t { kCore, kMixer };

// Block sums of abs and positive cost every entry, or only linear time for bounds of them: exact where that takes at
// most kExactFlops operations, which is the same everywhere, else bounds; or as asked.
enum class Sums : uint8_t { kAuto, kExact, kBounds };
constexpr double kExactFlops = 450e9;  // some 30 s of one core

struct MatrixEstimate {
  int64_t rows = 0, cols = 0;
  int64_t bytes = 0;
  double seconds = 0;
  double quadratic_seconds = 0;  // of these, attention over all tokens before each row
  bool whole = false;            // all tokens are read at once
  bool tiles = false;            // every entry is computed
  bool by_entry = false;         // the time grows with the entries: tiles, and attention's sums
  bool bounded = false;          // block sums would be bounded, not exact
  double exact_seconds = 0;      // a guess, of exact block sums where bounds are known too
};

struct MatrixRequest {
  std::vector<int32_t> tokens;  // [T]
  std::vector<float> features;  // [T, feature_dim] instead, for models that read features
  int layer = 0;                // < 0: from the last
  int mixer = 0;                // which of the layer's token mixers
  Estimator estimator = Estimator::kExact;
  MapKind map = MapKind::kMean;
  int64_t channel = 0;  // with kChannel: which map, a channel or head
  Fidelity fidelity = Fidelity::kCore;
  std::vector<MixerPart> without = {};   // of the mixer, with Fidelity::kMixer
  std::optional<TokenRange> rows, cols;  // default: all tokens; ends < 0 count from the end
  int64_t blocks = 0;                    // > 0: [blocks, blocks] sums over blocks of tokens instead
  Sums sums = Sums::kAuto;               // with blocks
  const SequenceState* state_in = nullptr;
  int64_t chunk = 2000;
  int64_t mem_limit = 0;  // bytes; 0: what the machine has available
  ProgressSink* progress = nullptr;
  std::function<void(const MatrixEstimate&)> on_estimate;  // called before the run; may throw to stop it
};

// "mean", "abs", "positive" or a channel number; Error(kUsage).
void parse_map(const std::string& text, MatrixRequest& request);

// Error(kUsage) for a bad request. Parts of it are timed.
MatrixEstimate estimate_matrix(const Model& model, const MatrixRequest& request);
std::string to_text(const MatrixEstimate& estimate);  // one sentence

struct MatrixResult {
  int64_t rows = 0, cols = 0;
  std::vector<float> values;        // [rows, cols]; empty with bounds
  std::vector<float> lower, upper;  // [rows, cols] bounds of block sums (MatrixEstimate::bounded), else empty
  std::optional<double> tightness;  // sum(lower) / sum(upper)
  std::vector<int64_t> edges;       // [blocks + 1] with blocks
  int layer = 0;
  StructureName structure;                  // of the mixer, as in LayerReport
  std::optional<EstimatorError> estimator;  // of the values against the exact ones, with an estimator
};

// Error(kUsage) for a bad request; Error(kResource) with the estimate when it does not fit mem_limit.
MatrixResult matrix(const Model& model, const MatrixRequest& request);

}  // namespace hindscan
