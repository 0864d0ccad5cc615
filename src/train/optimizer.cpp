#include "train/optimizer.h"

#include <cmath>

#include "base/threads.h"
#include "kernels/pointwise.h"

namespace hindscan {

AdamWOptimizer::AdamWOptimizer(const WeightTable& weights) {
  for (size_t i = 0; i < weights.size(); ++i) {
    m.emplace_back(static_cast<size_t>(weights[i].size()), 0.0f);
    v.emplace_back(static_cast<size_t>(weights[i].size()), 0.0f);
  }
}

double AdamWOptimizer::gradient_norm(const WeightTable& weights, const GradTable& grads) {
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    sum += kernels::sum_squares(weights[i].size(), grads.of<float>(weights[i]));
  }
  return std::sqrt(sum);
}

void AdamWOptimizer::step(const TrainOptions& o, double lr, double norm, const GradTable& grads, WeightTable& weights) {
  ++updates;
  const double t = static_cast<double>(updates);
  kernels::AdamW p{};
  p.lr = static_cast<float>(lr);
  p.beta1 = static_cast<float>(o.beta1);
  p.beta2 = static_cast<float>(o.beta2);
  p.eps = static_cast<float>(o.eps);
  p.bias1 = static_cast<float>(1 - std::pow(o.beta1, t));
  p.bias2 = static_cast<float>(1 - std::pow(o.beta2, t));
  p.grad_scale = o.clip > 0 && norm > o.clip ? static_cast<float>(o.clip / norm) : 1.0f;
  for (size_t i = 0; i < weights.size(); ++i) {
    Weight& w = weights[i];
    reconsider_threads();
    p.weight_decay = w.weight_decay ? static_cast<float>(o.weight_decay) : 0.0f;
    kernels::adamw_update(p, w.size(), grads.of<float>(w), static_cast<float*>(w.data), m[i].data(), v[i].data());
  }
  weights.refresh_bf16();
}

}  // namespace hindscan
