// A scan that checks itself: the strongest edits and some drawn over all distances are really run, and where those say
// that the scan is poor it reaches further.
#pragma once
#include <optional>
#include <vector>

#include "explain/counterfactual_scan.h"

namespace hindscan {

// What the drawn edits say of a scan.
struct ScanCheck {
  ScanReach reach;
  int64_t drawn = 0;            // edits that were run to see
  std::optional<double> skill;  // 1 - squared error / squared change; none where nothing changed
  double largest_miss = 0;      // of all edits that were run
};

struct CheckedScan {
  std::vector<ScanResponse> responses;  // the change as it was measured where the edit was run
  std::vector<ScanCheck> checks;        // of each reach that was tried, the last one holds
  int64_t exact = 0;                    // edits whose window met the target
  bool approximate = false;             // the longest reach is poor, too
  bool carried = false;                 // some change of a state was carried on to the tail
};

inline constexpr double kGoodSkill = 0.9;

// The ten with the largest changes; estimated: of those that were not run.
std::vector<size_t> strongest(const std::vector<ScanResponse>& responses, bool estimated);

// The edits that a scan is checked with: `drawn` of them by chance over all distances, then the strongest others.
struct CheckedEdits {
  std::vector<size_t> some;
  size_t drawn = 0;
};
CheckedEdits edits_to_check(std::span<const Edit> edits, const std::vector<ScanResponse>& responses, int64_t target,
                            uint64_t seed);

// How far a scan reaches that is poor at this reach; nothing: it is far enough.
std::optional<ScanReach> further(const ScanReach& reach);

CheckedScan checked_scan(const Model& model, const ExplainRequest& request, std::span<const TargetReport> targets,
                         std::span<const Edit> edits, ScanReach reach, ProgressSink* progress = nullptr);

}  // namespace hindscan
