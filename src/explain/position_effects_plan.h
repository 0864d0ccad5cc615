// What the effects at every position will take, and how it is cut into passes.
#pragma once
#include "explain/position_effects.h"

namespace hindscan {

struct EffectsPlan {
  PieceBy by = PieceBy::kToken;
  std::vector<TokenReport> tokens;  // [T]
  std::vector<Piece> pieces;        // [n]
  int64_t pass = 0;                 // tokens at once
  int64_t texts = 0;                // edited texts at once: their states must fit
  EffectsEstimate estimate;
};

// Error(kUsage, kData) for what cannot be asked.
EffectsPlan plan_effects(const Model& model, const EffectsRequest& request);
// Error(kResource) with the estimate.
void check_affordable(const EffectsRequest& request, const EffectsPlan& plan);

}  // namespace hindscan
