// Shared by the ops: weights of any storage as numbers of the compute type.
#pragma once
#include "base/arena.h"
#include "core/weights.h"
#include "kernels/gemm.h"

namespace hindscan {

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
