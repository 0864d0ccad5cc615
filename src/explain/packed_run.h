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
// With the value of each target at the end of each, [targets][sequences].
std::vector<std::vector<double>> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                                            std::span<const TargetReport> targets);

}  // namespace hindscan
