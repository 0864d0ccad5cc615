#include "explain/walk_plan.h"

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

}  // namespace hindscan
