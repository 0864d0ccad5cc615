// The state of a long text, made from a few of its tokens: for timing what comes after it.
#pragma once
#include "explain/pass_probe.h"

namespace hindscan {

// As after `tokens` tokens that follow `before` (null: the model's own start): keys and values are there in their
// number, repeated from the first few; what does not grow is as those few left it.
SequenceState long_text_state(const Model& model, std::span<const int32_t> first, const SequenceState* before,
                              const PassProbe& probe, int64_t tokens);

}  // namespace hindscan
