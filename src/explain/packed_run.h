// Several short token runs, each from a state of its own, in one pass.
#pragma once
#include <span>
#include <vector>

#include "explain/report.h"

namespace hindscan {

struct PackedSequence {
  std::vector<int32_t> tokens;
  SequenceState state;  // in front of them, then behind them
};

void run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room);
// With the value of the target at the end of each; log_ps: and the logarithm of its probability.
std::vector<double> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                               const TargetReport& target, std::vector<double>* log_ps = nullptr);

}  // namespace hindscan
