// Does a method predict what really happens? Token edits re-run through the model against the change its scores
// predict.
#pragma once
#include <span>
#include <vector>

#include "explain/edit.h"
#include "explain/report.h"

namespace hindscan {

// request.causal_edits edits among the last tokens before the target, near ones more often; the same for the same seed.
std::vector<Edit> draw_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report);
// Change that the scores of a method predict: -score, or (e' - e) . adjoint for a replacement and scores whose adjoint
// the method keeps; for dropped writes -score times what makes it their sum over layers, where the method says so.
std::vector<double> predicted_changes(const ExplainRequest& request, const ExplainReport& report,
                                      const MethodReport& method, const ScoreArray& scores,
                                      std::span<const Edit> edits);

// Fills causal of the methods whose scores know the target (the agreement of the others is chance); returns the edits.
// Nothing is drawn when request.causal_edits is 0.
std::vector<Edit> add_causal(const Model& model, const ExplainRequest& request, ExplainReport& report);

}  // namespace hindscan
