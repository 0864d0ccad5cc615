// What a pass that is not recorded takes beside weights and states, in bytes.
#pragma once
#include <cstdint>
#include <span>

#include "model/model.h"

namespace hindscan {

struct PassCost {
  int64_t fixed = 0, per_token = 0;
  int64_t of(int64_t tokens) const { return fixed + per_token * tokens; }
};

// Measured on a few tokens, or on `tokens` where a model reads texts of one length only.
PassCost running_cost(const Model& model, std::span<const int32_t> tokens);

// Rows of logits that Runner::logits makes at once in a chunk of so many tokens, and their bytes.
int64_t logit_rows(const Model& model, int64_t chunk);
int64_t logit_row_bytes(const Model& model, int64_t chunk);

}  // namespace hindscan
