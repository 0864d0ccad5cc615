// The counterfactual scan's walk over a text: windows, transitions and tails of many edits.
#pragma once
#include <span>
#include <vector>

#include "explain/counterfactual_scan.h"

namespace hindscan {

inline constexpr int64_t kStateCopies = 6;  // for each token of a chunk
// Tokens of a chunk whose states fit.
int64_t scan_chunk(int64_t limit, int64_t state_bytes);

// Of edits of a text that is longer than window and tail; see scan_edits_of().
template <class R>
std::vector<ScanResponse> walk_edits(const Model& model, const ExplainRequest& request,
                                     std::span<const TargetReport> targets, std::span<const Edit> edits,
                                     const ScanReach& reach, ProgressSink* progress);

}  // namespace hindscan
