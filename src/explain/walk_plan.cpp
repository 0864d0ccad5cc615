#include "explain/walk_plan.h"

#include "base/counted.h"

namespace hindscan {

int64_t WalkPlan::length() const {
  return feature_dim > 0 ? static_cast<int64_t>(features.size()) / feature_dim : static_cast<int64_t>(tokens.size());
}

Input WalkPlan::slice(int64_t first, int64_t count) const {
  Input input;
  if (feature_dim > 0) {
    input.feature_dim = feature_dim;
    input.features =
        features.subspan(static_cast<size_t>(first * feature_dim), static_cast<size_t>(count * feature_dim));
  } else {
    input.tokens = tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }
  return input;
}

void check_reading(const Model& model, std::string_view op, std::span<const int32_t> tokens,
                   std::span<const float> features) {
  const int64_t F = model.arch().sizes().feature_dim;
  if (F == 0) {
    check(features.empty(), ErrorCode::kUsage, "[{}] expected tokens, found features; the model reads tokens", op);
    model.check_tokens(tokens);
    return;
  }
  check(tokens.empty() && std::ssize(features) % F == 0, ErrorCode::kUsage,
        "[{}] expected features of {} a token, found {} and {}", op, counted(F, "number"),
        counted(tokens.size(), "token"), counted(features.size(), "number"));
}

}  // namespace hindscan
