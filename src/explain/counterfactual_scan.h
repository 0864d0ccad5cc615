// The target's response to edits of single tokens, many of them for the price of a few passes over the text. Around an
// edit everything is run: `window` tokens behind it and the last `tail` before the target. Between the two the change
// of the state goes on to first order, by the text's own adjoint:
//   response = end + middle - what is linear of the end.
// The change of the state behind the window reaches the tail by the text's own transitions. Attribution patching
// (arXiv 2310.10348) with the recurrent state at a border as the node, and its patch computed exactly.
#pragma once
#include <span>
#include <vector>

#include "explain/edit.h"
#include "explain/report.h"
#include "explain/scan_reach.h"

namespace hindscan {

struct ScanResponse {
  double change = 0;   // of the target
  bool exact = false;  // all tokens behind the edit were run
  // What it is made of where it is not exact. end: of the tail run from the carried change; 0 where that is worth less
  // than a thousandth of the largest response, or where states do not follow each other linearly.
  double middle = 0, end = 0, end_linear = 0;
  std::vector<double> beside = {};  // of the other targets, where it is exact
};

// Edits of request.tokens up to target.first() (kReplace, kRemove), in any order, as run_edits() takes them. Models
// that judge whole texts run every edit to the end.
std::vector<ScanResponse> scan_edits(const Model& model, const ExplainRequest& request, const TargetReport& target,
                                     std::span<const Edit> edits, const ScanReach& reach,
                                     ProgressSink* progress = nullptr);
// Of the first of several targets that are read at the same place; of the others where an edit is run.
std::vector<ScanResponse> scan_edits_of(const Model& model, const ExplainRequest& request,
                                        std::span<const TargetReport> targets, std::span<const Edit> edits,
                                        const ScanReach& reach, ProgressSink* progress = nullptr);
// Responses of edits that were run to the end.
std::vector<ScanResponse> as_run(const std::vector<std::vector<double>>& changes);

// What the states of a scan take: those between a chunk's tokens, and one in front of each chunk.
// Those of an answer's tokens are in the last chunk.
int64_t scan_bytes(int64_t state_bytes, int64_t tokens, int64_t answer, int64_t limit);

}  // namespace hindscan
