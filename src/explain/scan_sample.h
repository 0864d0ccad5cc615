// Times scans of parts of a request, for what the whole of it will take.
#pragma once
#include <map>
#include <span>
#include <vector>

#include "explain/cost_fit.h"
#include "explain/explain_plan.h"
#include "explain/removals.h"
#include "explain/scan_reach.h"
#include "explain/strongest_edits.h"

namespace hindscan {

class ScanSample {
 public:
  ScanSample(const Model& model, const ExplainRequest& r, int64_t target, const ExplainPlan& plan,
             const MethodSpec& scan);

  const std::vector<Edit>& edits() const { return edits_; }
  // Long enough for several edits, and for edits that are not run to the end.
  int64_t first() const;
  // Scans the first n tokens as if they stood further back; returns the seconds.
  double take(int64_t n);
  double foretold() const;
  ScanSeconds seconds() const;
  // Of longer reaches: as much longer as one of them took over a part.
  std::vector<double> further_seconds() const;

 private:
  struct Part;
  SequenceState state_before(int64_t n) const;
  double time_runs(const Part& part, int64_t n, std::span<const size_t> far);
  double scan_seconds() const;
  Amounts scan_work(int64_t n) const;
  std::vector<double> check_distances(int64_t exact) const;
  double times_longer(const ScanReach& reach) const;

  const Model& model_;
  const ExplainRequest& request_;
  const ExplainPlan& plan_;
  int64_t target_;
  ScanReach reach_;
  PieceBy by_;
  std::vector<Edit> edits_;
  int64_t alternatives_;
  CostFit run_, read_;
  std::map<int64_t, double> scanned_;  // seconds, by tokens
  StrongestEdits strongest_, checked_;
  int64_t exact_ = -1;  // how far from the target the edits stand, at most, that are run to the end
};

}  // namespace hindscan
