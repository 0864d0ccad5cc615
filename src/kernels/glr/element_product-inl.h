// The rank-N product of a sub-tile: factors with their decays, and a small matrix product that applies the map.
#if defined(HINDSCAN_GLR_ELEMENT_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_ELEMENT_PRODUCT_INL_H_
#undef HINDSCAN_GLR_ELEMENT_PRODUCT_INL_H_
#else
#define HINDSCAN_GLR_ELEMENT_PRODUCT_INL_H_
#endif

#include "kernels/glr/element_tile.h"
#include "kernels/glr/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

HWY_INLINE Vec apply_map(ElementMap map, Vec alpha) {
  const Lanes lanes;
  if (map == ElementMap::kMeanAbs) return hn::Abs(alpha);
  if (map == ElementMap::kMeanPositive) return hn::IfThenElse(hn::Lt(alpha, hn::Zero(lanes)), hn::Zero(lanes), alpha);
  return alpha;
}

HWY_INLINE void add_mapped(ElementMap map, Vec alpha, float* to) {
  const Lanes lanes;
  hn::StoreU(hn::Add(hn::LoadU(lanes, to), apply_map(map, alpha)), lanes, to);
}

// tile[rows, cols] += map(U^T V), U [N, kTile], V [N, stride]; 4 rows and Vectors vectors of columns at a time.
template <int Vectors>
HWY_INLINE void multiply(ElementMap map, int64_t N, int64_t rows, const float* U, const float* V, int64_t stride,
                         float* tile) {
  const Lanes lanes;
  for (int64_t i = 0; i < rows; i += 4) {
    Vec sum[4][Vectors];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sum[r][v] = hn::Zero(lanes);
    }
    for (int64_t n = 0; n < N; ++n) {
      Vec col[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) col[v] = hn::LoadU(lanes, V + n * stride + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const Vec u = hn::Set(lanes, U[n * kTile + i + r]);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[r][v] = hn::MulAdd(u, col[v], sum[r][v]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      if (i + r >= rows) break;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) add_mapped(map, sum[r][v], tile + (i + r) * kTileStride + v * kLanes);
    }
  }
}

// to[n, k] = base[n, k] factor[k] exp(rate[n] sums[k]) for k < count, zero up to `padded`.
HWY_INLINE void factor(int64_t N, const float* rate, const float* base, int64_t base_stride, const float* scale,
                       const float* sums, int64_t count, int64_t padded, float* to, int64_t stride) {
  const Lanes lanes;
  for (int64_t k = 0; k < padded; k += kLanes) {
    const Vec sum = hn::LoadU(lanes, sums + k), weight = hn::LoadU(lanes, scale + k);
    for (int64_t n = 0; n < N; ++n) {
      const Vec value = hn::Mul(hn::LoadU(lanes, base + n * base_stride + k), weight);
      hn::StoreU(hn::Mul(value, decay(sum, hn::Set(lanes, rate[n]))), lanes, to + n * stride + k);
    }
  }
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t k = count; k < padded; ++k) to[n * stride + k] = 0.0f;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
