// Shared by the ops: shapes of weights, and weights of any storage as numbers of the compute type.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "base/arena.h"
#include "core/weights.h"
#include "kernels/gemm.h"

namespace hindscan {

inline bool has_shape(const Weight& w, std::initializer_list<int64_t> shape) {
  return std::equal(w.shape.begin(), w.shape.end(), shape.begin(), shape.end());
}

// `count` numbers of a weight from `first` on; 16-bit storage is widened into the arena.
template <class R>
const R* weight_part(const Weight& w, int64_t first, int64_t count, Arena& arena) {
  if constexpr (std::is_same_v<R, float>) {
    if (w.dtype == DType::kBF16 || w.dtype == DType::kF16) {
      float* wide = arena.array<float>(static_cast<size_t>(count));
      kernels::convert(static_cast<const uint16_t*>(w.data) + first, wide, count, w.dtype);
      return wide;
    }
  }
  return w.as<R>() + first;
}

}  // namespace hindscan
