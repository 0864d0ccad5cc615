// Short runs from states of their own, each token of them asked how likely some token is behind it.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "explain/packed_run.h"

namespace hindscan {

struct AskedRun {
  PackedSequence text;
  std::span<const int32_t> asked;  // [tokens] behind each token of the text
  std::vector<double> log_p = {};  // [tokens] nats
};

// Fills log_p, in passes of at most `most` tokens of any of the runs; logits are never there of more. on_pass: after
// each, its tokens. Error(kData) for an answer that is not finite.
void ask(const Model& model, std::span<AskedRun> runs, int64_t most, PassRoom& room,
         const std::function<void(int64_t tokens)>& on_pass = nullptr);

}  // namespace hindscan
