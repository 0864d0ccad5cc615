// The same answer read otherwise, where edits are really run: the logarithm of its probability, which a third answer
// moves as well, and its lead over other tokens than the contrast.
#pragma once
#include <span>
#include <vector>

#include "explain/counterfactual_scan.h"
#include "explain/report.h"

namespace hindscan {

// The target, then what is read beside it: its log-p and its foils, of a contrast of tokens; else nothing.
std::vector<TargetReport> with_foils(const TargetReport& target);

// What the run edits say of them: rank correlations of what the target loses with what the others lose, in the details
// and as a note.
void add_foils(const Model& model, const TargetReport& target, std::span<const Edit> edits,
               const std::vector<ScanResponse>& responses, MethodReport& report);

}  // namespace hindscan
