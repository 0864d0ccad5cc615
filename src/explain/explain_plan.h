// What a request will take in memory and time, before its text is read.
#pragma once
#include "explain/pass_probe.h"
#include "explain/report.h"

namespace hindscan {

inline constexpr int64_t kWindow = 512;  // tokens before the target whose adjoint is kept for causal checks

struct ExplainPlan {
  PassProbe probe;
  EditCost edits;  // of the request's edits, where it asks for any
  ExplainEstimate estimate;
};

// Within request.mem_limit where its chunk, or a half of it, fits; else the least that would do.
ExplainPlan make_explain_plan(const Model& model, const ExplainRequest& r, int64_t target);

// Measures the plan's seconds where it is long: what this machine makes of the first tokens.
void time_plan(const Model& model, const ExplainRequest& r, ExplainPlan& plan);

int64_t explain_tokens(const Model& model, const ExplainRequest& r);
WalkPlan walk_of(const Model& model, const ExplainRequest& r);

// Work of each token, in forward passes, over the shared walk and those of methods.
double explain_passes(const ExplainRequest& r);
// Parts of all that work: the shared walk, then each method's own walks, then each method's edited texts.
std::vector<double> explain_shares(const ExplainRequest& r, int64_t tokens, int64_t window);

// Bytes of the report: its tokens, and scores of every method with their layer maps.
int64_t score_bytes(const Model& model, const ExplainRequest& r);
// Beside it, of copies of tokens [first, last).
EditCost edit_cost(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last);

}  // namespace hindscan
