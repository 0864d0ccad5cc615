// Several short token runs, each from a state of its own, in one pass.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "explain/report.h"

namespace hindscan {

struct PackedSequence {
  std::vector<int32_t> tokens;
  SequenceState state;  // in front of them, then behind them
};

// One pass over several runs; read: of what the head reads, h [tokens, d_model], before the pass ends.
void run_pass(const Model& model, std::span<const RunSequence> runs, PassRoom& room,
              const std::function<void(Ctx& ctx, Var h)>& read);
void run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room);
// With the value of each target at the end of each, [targets][sequences].
std::vector<std::vector<double>> run_packed(const Model& model, std::span<PackedSequence> sequences, PassRoom& room,
                                            std::span<const TargetReport> targets);

}  // namespace hindscan
