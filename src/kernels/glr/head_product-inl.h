// Small matrix products of the chunked head kernels: rows broadcast, columns in vectors, results in registers.
#if defined(HINDSCAN_GLR_HEAD_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_PRODUCT_INL_H_
#undef HINDSCAN_GLR_HEAD_PRODUCT_INL_H_
#else
#define HINDSCAN_GLR_HEAD_PRODUCT_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

constexpr int kProductRows = kLanes == 16 ? 8 : 4;

// Rows of the next chunk lie pages apart: ask for them now.
HWY_INLINE void prefetch_chunk(const float* from, int64_t row, int64_t n, int64_t count, bool exists) {
  for (int64_t i = 0; exists && i < n; ++i) {
    for (int64_t l = 0; l < count; l += 16) __builtin_prefetch(from + i * row + l);
  }
}

// A factor of rows: element (m, k) at base[m * row + k * col].
struct Left {
  const float* base;
  int64_t row, col;
};
// A factor of columns: element (k, n) at base[k * row + n].
struct Right {
  const float* base;
  int64_t row;
};

// Lower: row m of the left factor is zero from k = m + 1 + slack on; Upper: before k = m - slack.
enum class Shape : uint8_t { kFull, kLower, kUpper };

struct Product {
  Left left;
  Right right;
  int64_t K;
  Shape shape = Shape::kFull;
  int64_t slack = 0;

  // Range of k that rows [m, m + rows) need.
  int64_t first_k(int64_t m) const { return shape == Shape::kUpper ? HWY_MAX(int64_t{0}, m - slack) : 0; }
  int64_t last_k(int64_t m, int64_t rows) const { return shape == Shape::kLower ? HWY_MIN(K, m + rows + slack) : K; }
};

template <bool kPartial>
HWY_INLINE Vec load_columns(const float* from, int64_t count) {
  const Lanes d;
  if (!kPartial) return hn::LoadU(d, from);
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, from);
#else
  return load_channels(from, count);
#endif
}

// acc [Rows, NV] += left [rows m.., k0..k1) right [k0..k1, columns n..).
template <int Rows, int NV, bool kPartial>
HWY_INLINE void accumulate(const Left& left, const Right& right, int64_t m, int64_t k0, int64_t k1, int64_t n,
                           int64_t count, Vec (&acc)[Rows][NV]) {
  const Lanes d;
  const float *a = left.base + m * left.row + k0 * left.col, *b = right.base + k0 * right.row + n;
  const int64_t a_row = left.row, a_col = left.col, b_row = right.row;
  for (int64_t k = k0; k < k1; ++k, a += a_col, b += b_row) {
    Vec x[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) x[v] = load_columns<kPartial>(b + v * kLanes, count);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Vec w = hn::Set(d, a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) acc[i][v] = hn::MulAdd(w, x[v], acc[i][v]);
    }
  }
}

// f(rows, vectors, partial, m, n, count) over blocks of an [M, N] result; rows, vectors and partial are constants.
template <class F>
HWY_INLINE void for_blocks(int64_t M, int64_t N, const F& f) {
  const auto columns = [&](auto rows, int64_t m) HWY_ATTR {
    int64_t n = 0;
    for (; n + 2 * kLanes <= N; n += 2 * kLanes) {
      f(rows, std::integral_constant<int, 2>(), std::false_type(), m, n, kLanes);
    }
    for (; n + kLanes <= N; n += kLanes) f(rows, std::integral_constant<int, 1>(), std::false_type(), m, n, kLanes);
    if (n < N) f(rows, std::integral_constant<int, 1>(), std::true_type(), m, n, N - n);
  };
  int64_t m = 0;
  for (; m + kProductRows <= M; m += kProductRows) columns(std::integral_constant<int, kProductRows>(), m);
  for (; m < M; ++m) columns(std::integral_constant<int, 1>(), m);
}

// to [M, N] (row stride ld) = or += scale[m] (left right) + left2 right2; a null base leaves a product out.
HWY_INLINE void product_sum(int64_t M, int64_t N, const Product& one, const float* scale, const Product& two, bool add,
                            float* to, int64_t ld) {
  for_blocks(M, N, [&](auto rows, auto vectors, auto partial, int64_t m, int64_t n, int64_t count) HWY_ATTR {
    constexpr int kRows = decltype(rows)::value, kVectors = decltype(vectors)::value;
    constexpr bool kPartial = decltype(partial)::value;
    const Lanes d;
    Vec acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[i][v] = hn::Zero(d);
    }
    if (one.left.base) {
      accumulate<kRows, kVectors, kPartial>(one.left, one.right, m, one.first_k(m), one.last_k(m, kRows), n, count,
                                            acc);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      if (!scale) break;
      const Vec s = hn::Set(d, scale[m + i]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[i][v] = hn::Mul(acc[i][v], s);
    }
    if (two.left.base) {
      accumulate<kRows, kVectors, kPartial>(two.left, two.right, m, two.first_k(m), two.last_k(m, kRows), n, count,
                                            acc);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        float* at = to + (m + i) * ld + n + v * kLanes;
        if (add) acc[i][v] = hn::Add(acc[i][v], load_columns<kPartial>(at, count));
        store_channels(acc[i][v], kPartial ? count : kLanes, at);
      }
    }
  });
}

// Blocks of left right on and below the diagonal, to [M, N]; what lies above is not written or not meaningful.
HWY_INLINE void product_lower(int64_t M, int64_t N, const Product& p, float* to, int64_t ld) {
  for_blocks(M, N, [&](auto rows, auto vectors, auto partial, int64_t m, int64_t n, int64_t count) HWY_ATTR {
    constexpr int kRows = decltype(rows)::value, kVectors = decltype(vectors)::value;
    constexpr bool kPartial = decltype(partial)::value;
    if (n > m + kRows - 1 + p.slack) return;
    const Lanes d;
    Vec acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[i][v] = hn::Zero(d);
    }
    accumulate<kRows, kVectors, kPartial>(p.left, p.right, m, 0, p.K, n, count, acc);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        store_channels(acc[i][v], kPartial ? count : kLanes, to + (m + i) * ld + n + v * kLanes);
      }
    }
  });
}

// S [M, N] <- base[m] S + factor[m] S + left right, (base, factor) of stride `step` (0: one for all rows).
HWY_INLINE void product_onto_decayed(int64_t M, int64_t N, const Product& p, const float* base, const float* factor,
                                     int64_t step, float* S, int64_t ld) {
  for_blocks(M, N, [&](auto rows, auto vectors, auto partial, int64_t m, int64_t n, int64_t count) HWY_ATTR {
    constexpr int kRows = decltype(rows)::value, kVectors = decltype(vectors)::value;
    constexpr bool kPartial = decltype(partial)::value;
    const Lanes d;
    Vec acc[kRows][kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Vec b = hn::Set(d, base[(m + i) * step]), f = hn::Set(d, factor[(m + i) * step]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const Vec s = load_columns<kPartial>(S + (m + i) * ld + n + v * kLanes, count);
        acc[i][v] = hn::MulAdd(f, s, hn::Mul(b, s));
      }
    }
    accumulate<kRows, kVectors, kPartial>(p.left, p.right, m, 0, p.K, n, count, acc);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        store_channels(acc[i][v], kPartial ? count : kLanes, S + (m + i) * ld + n + v * kLanes);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
