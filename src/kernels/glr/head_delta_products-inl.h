// Small matrix products, transposes and copies of padded blocks: what the chunked rank-1 kernels are made of.
#if defined(HINDSCAN_GLR_HEAD_DELTA_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_DELTA_PRODUCTS_INL_H_
#undef HINDSCAN_GLR_HEAD_DELTA_PRODUCTS_INL_H_
#else
#define HINDSCAN_GLR_HEAD_DELTA_PRODUCTS_INL_H_
#endif

#include <hwy/highway.h>

#include <type_traits>

#include "kernels/glr/head_delta_work.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DeltaTag = hn::CappedTag<float, kDeltaRound>;
using DeltaVec = hn::VFromD<DeltaTag>;
constexpr int64_t kDeltaLanes = HWY_MIN(kDeltaRound, HWY_LANES(float));
constexpr int kDeltaRows = kDeltaLanes == 16 ? 8 : 4;  // of a register block of two vectors

enum class Start : uint8_t { kZero, kAdd, kScaled };  // C = , C +=, C = scale[row] C +

// C [Rows, Vecs vectors] from A [Rows, K] (element m, k at m rs + k cs) times B [K, ldb].
template <int Rows, int Vecs>
HWY_INLINE void product_block(int64_t K, const float* A, int64_t rs, int64_t cs, const float* B, int64_t ldb, float* C,
                              int64_t ldc, Start start, const float* scale) {
  const DeltaTag d;
  DeltaVec acc[Rows][Vecs];
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) {
      if (start == Start::kZero) {
        acc[m][n] = hn::Zero(d);
      } else {
        acc[m][n] = hn::LoadU(d, C + m * ldc + n * kDeltaLanes);
        if (start == Start::kScaled) acc[m][n] = hn::Mul(acc[m][n], hn::Set(d, scale[m]));
      }
    }
  }
  for (int64_t k = 0; k < K; ++k, B += ldb, A += cs) {
    DeltaVec b[Vecs];
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) b[n] = hn::LoadU(d, B + n * kDeltaLanes);
#pragma GCC unroll 16
    for (int m = 0; m < Rows; ++m) {
      const DeltaVec x = hn::Set(d, A[m * rs]);
#pragma GCC unroll 4
      for (int n = 0; n < Vecs; ++n) acc[m][n] = hn::MulAdd(x, b[n], acc[m][n]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) hn::StoreU(acc[m][n], d, C + m * ldc + n * kDeltaLanes);
  }
}

// C [M, N] with M and N multiples of kDeltaRound.
HWY_INLINE void product(int64_t M, int64_t N, int64_t K, const float* A, int64_t rs, int64_t cs, const float* B,
                        int64_t ldb, float* C, int64_t ldc, Start start, const float* scale = nullptr) {
  int64_t n = 0;
  const auto columns = [&](auto vecs) HWY_ATTR {
    for (int64_t m = 0; m < M; m += kDeltaRows) {
      product_block<kDeltaRows, decltype(vecs)::value>(K, A + m * rs, rs, cs, B + n, ldb, C + m * ldc + n, ldc, start,
                                                       scale ? scale + m : nullptr);
    }
  };
  for (; n + 2 * kDeltaLanes <= N; n += 2 * kDeltaLanes) columns(std::integral_constant<int, 2>());
  for (; n < N; n += kDeltaLanes) columns(std::integral_constant<int, 1>());
}

// to [cols, ld] = from [rows, cols]^T, both multiples of kDeltaRound.
HWY_INLINE void turn(const float* from, int64_t rows, int64_t cols, float* to, int64_t ld) {
  for (int64_t r = 0; r < rows; r += 4) {
    for (int64_t c = 0; c < cols; c += 4) {
      const float* in = from + r * cols + c;
      float* out = to + c * ld + r;
#if HWY_TARGET == HWY_SCALAR
      for (int64_t i = 0; i < 16; ++i) out[i % 4 * ld + i / 4] = in[i / 4 * cols + i % 4];
#else
      const hn::CappedTag<float, 4> d;
      const auto v0 = hn::LoadU(d, in), v1 = hn::LoadU(d, in + cols), v2 = hn::LoadU(d, in + 2 * cols),
                 v3 = hn::LoadU(d, in + 3 * cols);
      const auto low02 = hn::InterleaveLower(d, v0, v2), low13 = hn::InterleaveLower(d, v1, v3);
      const auto up02 = hn::InterleaveUpper(d, v0, v2), up13 = hn::InterleaveUpper(d, v1, v3);
      hn::StoreU(hn::InterleaveLower(d, low02, low13), d, out);
      hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, out + ld);
      hn::StoreU(hn::InterleaveLower(d, up02, up13), d, out + 2 * ld);
      hn::StoreU(hn::InterleaveUpper(d, up02, up13), d, out + 3 * ld);
#endif
    }
  }
}

// count numbers, zeros up to the next multiple of kDeltaRound; a call of the library per row would cost as much again.
HWY_INLINE void copy_row(const float* from, int64_t count, float* to, int64_t padded) {
  const DeltaTag d;
  int64_t k = 0;
  for (; k + kDeltaLanes <= count; k += kDeltaLanes) hn::StoreU(hn::LoadU(d, from + k), d, to + k);
  for (; k < count; ++k) to[k] = from[k];
  for (; k < padded; ++k) to[k] = 0.0f;
}

// f(vecs, m) over the columns in pairs of vectors, so that one's chain of sums runs beside the other's.
template <class F>
HWY_INLINE void for_columns(int64_t Vp, const F& f) {
  int64_t m = 0;
  for (; m + 2 * kDeltaLanes <= Vp; m += 2 * kDeltaLanes) f(std::integral_constant<int, 2>(), m);
  for (; m < Vp; m += kDeltaLanes) f(std::integral_constant<int, 1>(), m);
}

template <int Vecs>
struct Columns {
  DeltaVec v[Vecs];
  HWY_INLINE Columns() {}  // written out: an implicit one would not be compiled for the target (GCC on aarch64)
  static HWY_INLINE Columns load(const float* from) {
    Columns c;
#pragma GCC unroll 2
    for (int n = 0; n < Vecs; ++n) c.v[n] = hn::LoadU(DeltaTag(), from + n * kDeltaLanes);
    return c;
  }
  HWY_INLINE void store(float* to) const {
#pragma GCC unroll 2
    for (int n = 0; n < Vecs; ++n) hn::StoreU(v[n], DeltaTag(), to + n * kDeltaLanes);
  }
  HWY_INLINE void add(float scale, const Columns& x) {
#pragma GCC unroll 2
    for (int n = 0; n < Vecs; ++n) v[n] = hn::MulAdd(hn::Set(DeltaTag(), scale), x.v[n], v[n]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
