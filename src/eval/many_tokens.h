// Edits of many tokens at once: do the effects of single ones add up (linear datamodelling score), and does the order
// of the scores say what to delete first (deletion curves)?
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "eval/text_runner.h"

namespace hindscan {

struct MaskTrial {
  std::vector<std::vector<size_t>> masks;  // replacements made together: indices into the single ones
  std::vector<double> changes;             // of the contrast, by each mask
};
MaskTrial run_masks(TextRunner& runner, std::span<const int32_t> tokens, std::span<const Edit> single,
                    std::vector<std::vector<size_t>> masks);
// Rank correlation of the sums of single changes with what the masks did; null where a side is constant.
std::optional<double> additivity(const MaskTrial& trial, std::span<const double> single);

// Tokens [first, last) are taken out step by step, the highest scores first, and, apart, the lowest first: the area
// between the two curves of the target, its mean over the share taken out. Later tokens move up. Null for one token.
std::optional<Outcome> deletion_area(TextRunner& runner, std::span<const int32_t> tokens, int64_t first, int64_t last,
                                     std::span<const double> scores);
inline constexpr int64_t kDeletionSteps = 10;

}  // namespace hindscan
