// What a request will take in memory and time, before its text is read.
#pragma once
#include <functional>

#include "explain/pass_probe.h"
#include "explain/report.h"

namespace hindscan {

inline constexpr int64_t kWindow = 512;  // tokens before the target whose adjoint is kept for causal checks

struct ExplainPlan {
  PassProbe probe;
  EditCost edits;  // of the request's edits; zeros where it asks for none
  ExplainEstimate estimate;
};

// Within request.mem_limit where its chunk, or a half of it, fits; else the least that would do.
ExplainPlan make_explain_plan(const Model& model, const ExplainRequest& r, int64_t target);

// Of a counterfactual scan, in the order in which its parts are run. further: of each longer reach in turn, its check
// included, that is asked for where the check before was poor; nobody knows beforehand.
struct ScanSeconds {
  double scan = 0, check = 0, replaced = 0;
  std::vector<double> further;
};

// What one of each thing takes, from which set_seconds adds up the rest.
struct UnitSeconds {
  double shared = 0;                              // the walk there and back that methods share
  std::function<double(const MethodSpec&)> walk;  // one of a method's own
  double edited_token = 0;                        // of an edited text
  std::function<ScanSeconds(const MethodSpec&)> scan;
  std::function<double(const MethodSpec&)> orders;  // of a method that runs the text in pieces
  std::function<double(const MethodSpec&)> maps;    // all there is to a method that makes the entries of maps
};
// window: tokens that are edited and run again.
void set_seconds(const ExplainRequest& r, const UnitSeconds& unit, int64_t window, ExplainEstimate& e);

// Replaces the plan's guess of seconds by what parts of the request took, timed on this machine.
void time_plan(const Model& model, const ExplainRequest& r, int64_t target, ExplainPlan& plan);
// The same where the guess is of a long time and parts are little of it; of a long time and few tokens, a second guess.
void improve_seconds(const Model& model, const ExplainRequest& r, int64_t target, ExplainPlan& plan);

int64_t explain_tokens(const Model& model, const ExplainRequest& r);
WalkPlan walk_of(const Model& model, const ExplainRequest& r);

// Where the first token of the answer is read.
int64_t first_place(const ExplainRequest& r, int64_t target);
// First token of the window before that: what is edited and run again.
int64_t window_first(const PassProbe& probe, int64_t first_place);

// Bytes of the report: its tokens, and scores of every method with their layer maps.
int64_t score_bytes(const Model& model, const ExplainRequest& r);
// Beside it, of copies of tokens [first, last).
EditCost edit_cost(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last);

}  // namespace hindscan
