// Learning rate as a function of the step alone, so that a resumed run continues it exactly.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "train/options.h"

namespace hindscan {

// Linear warmup to lr, then per kind: cosine to min_lr, linear to min_lr, constant, or constant with a linear last
// part.
inline double learning_rate(const TrainOptions& o, int64_t step) {
  if (step < o.warmup) return o.lr * static_cast<double>(step + 1) / static_cast<double>(o.warmup);
  const double left = static_cast<double>(std::max<int64_t>(o.steps - o.warmup, 1));
  const double t = std::min(1.0, static_cast<double>(step - o.warmup) / left);
  switch (o.schedule) {
    case Schedule::kCosine:
      return o.min_lr + (o.lr - o.min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * t));
    case Schedule::kLinear:
      return o.lr + (o.min_lr - o.lr) * t;
    case Schedule::kConstant:
      return o.lr;
    case Schedule::kWsd:
      return o.lr + (o.min_lr - o.lr) * std::max(0.0, (t - (1 - o.decay_part)) / o.decay_part);
  }
  return o.lr;
}

}  // namespace hindscan
