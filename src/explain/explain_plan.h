// What a request will take in memory and time, before its text is read.
#pragma once
#include "explain/report.h"
#include "explain/reverse_walk.h"

namespace hindscan {

inline constexpr int64_t kWindow = 512;  // tokens before the target whose adjoint is kept for causal checks

struct ExplainPlan {
  PassProbe probe;
  ExplainEstimate estimate;
};

// Within request.mem_limit where its chunk, or a half of it, fits; else the least that would do.
ExplainPlan make_explain_plan(const Model& model, const ExplainRequest& r, int64_t target);

int64_t explain_tokens(const Model& model, const ExplainRequest& r);
WalkPlan walk_of(const Model& model, const ExplainRequest& r);

// Bytes of the report: its tokens, and scores of every method with their layer maps.
int64_t score_bytes(const Model& model, const ExplainRequest& r);
// Bytes beside it: edited copies of tokens [first, last), packed in one pass, the unedited one among them.
struct EditCost {
  int64_t fixed = 0, each = 0;
  int64_t of(int64_t copies) const { return fixed + each * copies; }
};
EditCost edit_cost(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last);
inline constexpr int64_t kFewestCopies = 2;  // the unedited one and another

}  // namespace hindscan
