// What is to be read, and in which chunks.
#pragma once
#include <functional>
#include <span>
#include <string_view>

#include "base/progress.h"
#include "model/model.h"

namespace hindscan {

struct WalkPlan {
  std::span<const int32_t> tokens;  // what is read, [T]
  std::span<const float> features;  // [T, feature_dim], instead of tokens
  int64_t feature_dim = 0;
  const SequenceState* state_in = nullptr;
  int64_t chunk = 2000;
  ProgressSink* progress = nullptr;
  std::function<void(int64_t first, const TapView&)> change;  // edits the embeddings of each chunk in place
  double back_work = 1;  // of a token on the way back, in units of one forward: what the progress counts

  int64_t length() const;
  Input slice(int64_t first, int64_t count) const;  // without states
};

// Error(kUsage) unless the model reads what a request gives it: known tokens, or whole feature vectors.
void check_reading(const Model& model, std::string_view op, std::span<const int32_t> tokens,
                   std::span<const float> features);

// What a request of either kind asks to be read.
template <class Request>
WalkPlan plan_reading(const Model& model, const Request& r) {
  WalkPlan plan;
  plan.tokens = r.tokens;
  plan.features = r.features;
  plan.feature_dim = model.arch().sizes().feature_dim;
  plan.state_in = r.state_in;
  plan.chunk = r.chunk;
  plan.progress = r.progress;
  return plan;
}

}  // namespace hindscan
