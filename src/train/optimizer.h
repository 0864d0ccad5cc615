// AdamW over a weight table: f32 moments, global-norm clipping, decay only where the declaration allows it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/weights.h"
#include "train/options.h"

namespace hindscan {

class AdamWOptimizer {
 public:
  explicit AdamWOptimizer(const WeightTable& weights);

  // Euclidean norm over all gradients, summed in table order; non-finite if any entry is.
  static double gradient_norm(const WeightTable& weights, const GradTable& grads);
  // One update with gradients scaled by min(1, clip / norm); the bf16 copies follow.
  void step(const TrainOptions& options, double lr, double norm, const GradTable& grads, WeightTable& weights);

  int64_t updates = 0;                // steps taken; sets the bias correction
  std::vector<std::vector<float>> m;  // [weight][entry]
  std::vector<std::vector<float>> v;
};

}  // namespace hindscan
