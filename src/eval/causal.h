// Does a method predict what really happens? Token edits re-run through the model against the change its scores
// predict.
#pragma once
#include <span>
#include <vector>

#include "explain/report.h"

namespace hindscan {

enum class EditKind : uint8_t { kReplace, kDropWrite, kRemove };
const char* edit_name(EditKind kind);  // "replace", "drop-write", "remove"

struct Edit {
  EditKind kind = EditKind::kReplace;
  int64_t position = 0;     // in the request's tokens
  int32_t replacement = 0;  // kReplace
  double measured = 0;      // change of the target; 0 below the noise of the arithmetic
  bool changed = false;     // whether any token mixer gave out another number
};

// request.causal_edits edits among the last tokens before the target, near ones more often; the same for the same seed.
std::vector<Edit> draw_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report);
// Runs them, packed as sequences of one pass, from the state before the window; fills `measured` and `changed`.
// Error(kInternal) when the writes of some mixer cannot be dropped: such an edit would measure a zero that means
// nothing.
void measure_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   std::span<Edit> edits);
// Change that the scores of a method predict: -score, or (e' - e) . adjoint for a replacement and scores whose adjoint
// the method keeps.
std::vector<double> predicted_changes(const ExplainRequest& request, const ExplainReport& report,
                                      const MethodReport& method, const ScoreArray& scores,
                                      std::span<const Edit> edits);

// Fills causal of the methods whose scores know the target (the agreement of the others is chance); returns the edits.
// Nothing is drawn when request.causal_edits is 0.
std::vector<Edit> add_causal(const Model& model, const ExplainRequest& request, ExplainReport& report);

}  // namespace hindscan
