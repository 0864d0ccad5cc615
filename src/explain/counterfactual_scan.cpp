#include "explain/counterfactual_scan.h"

#include <algorithm>

#include "explain/run_edits.h"
#include "explain/scan_walk.h"

namespace hindscan {

int64_t scan_bytes(int64_t state_bytes, int64_t tokens, int64_t answer, int64_t limit) {
  const int64_t chunk = scan_chunk(limit, state_bytes);
  return state_bytes * ((kStateCopies + 1) * std::max(chunk, answer) + tokens / chunk);  // and of a long edit
}

std::vector<ScanResponse> as_run(const std::vector<std::vector<double>>& changes) {
  std::vector<ScanResponse> out(changes[0].size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].change = changes[0][i];
    out[i].exact = true;
    for (size_t t = 1; t < changes.size(); ++t) out[i].beside.push_back(changes[t][i]);
  }
  return out;
}

std::vector<ScanResponse> scan_edits(const Model& model, const ExplainRequest& r, const TargetReport& target,
                                     std::span<const Edit> edits, const ScanReach& reach, ProgressSink* progress) {
  return scan_edits_of(model, r, {&target, 1}, edits, reach, progress);
}

std::vector<ScanResponse> scan_edits_of(const Model& model, const ExplainRequest& r,
                                        std::span<const TargetReport> targets, std::span<const Edit> edits,
                                        const ScanReach& reach, ProgressSink* progress) {
  if (edits.empty()) return {};
  const TargetReport& target = targets[0];
  check_edits(model, target, edits);
  const bool whole = model.arch().sizes().labels > 0;  // no state of it is a border
  if (whole || reach.window + reach.tail >= target.first())
    return as_run(run_edits_of(model, r, targets, edits, progress));
  return model.compute() == DType::kF64 ? walk_edits<double>(model, r, targets, edits, reach, progress)
                                        : walk_edits<float>(model, r, targets, edits, reach, progress);
}

}  // namespace hindscan
