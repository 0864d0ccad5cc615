// An explanation and the check of its methods by real edits, as one request.
#pragma once
#include "explain/report.h"

namespace hindscan {

// explain() and, where a method can be judged, add_causal() (eval/causal.h) under one progress; request.on_estimate is
// called as by explain().
ExplainReport explain_judged(const Model& model, ExplainRequest request);

}  // namespace hindscan
