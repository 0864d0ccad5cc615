// Products and row functions of one tile of scores.
#if defined(HINDSCAN_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_ATTENTION_TILE_INL_H_
#undef HINDSCAN_ATTENTION_TILE_INL_H_
#else
#define HINDSCAN_ATTENTION_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "kernels/attention_job.h"
#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// A [M, K] with any strides: A[m * row + k * column].
struct Strided {
  const float* data;
  int64_t row, column;
};

template <int Rows, int Vectors, class D>
HWY_INLINE void product_panel(D d, int64_t K, Strided A, const float* B, int64_t ldb, float* C, int64_t ldc, bool add) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V c[Rows][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < Vectors; ++n) c[r][n] = add ? hn::LoadU(d, C + r * ldc + n * lanes) : hn::Zero(d);
  }
  for (int64_t k = 0; k < K; ++k, B += ldb) {
    V b[Vectors];
#pragma GCC unroll 4
    for (int n = 0; n < Vectors; ++n) b[n] = hn::LoadU(d, B + n * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const V a = hn::Set(d, A.data[r * A.row + k * A.column]);
#pragma GCC unroll 4
      for (int n = 0; n < Vectors; ++n) c[r][n] = hn::MulAdd(a, b[n], c[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < Vectors; ++n) hn::StoreU(c[r][n], d, C + r * ldc + n * lanes);
  }
}

template <int Rows>
HWY_INLINE void product_rows(int64_t N, int64_t K, Strided A, const float* B, int64_t ldb, float* C, int64_t ldc,
                             bool add) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t n = 0;
  if constexpr (Rows <= 2) {
    for (; n + 4 * lanes <= N; n += 4 * lanes) product_panel<Rows, 4>(d, K, A, B + n, ldb, C + n, ldc, add);
  }
  for (; n + 2 * lanes <= N; n += 2 * lanes) product_panel<Rows, 2>(d, K, A, B + n, ldb, C + n, ldc, add);
  for (; n + lanes <= N; n += lanes) product_panel<Rows, 1>(d, K, A, B + n, ldb, C + n, ldc, add);
  for (; n < N; ++n) product_panel<Rows, 1>(d1, K, A, B + n, ldb, C + n, ldc, add);
}

// C [M, N] = or += A B, B [K, N].
HWY_INLINE void product(int64_t M, int64_t N, int64_t K, Strided A, const float* B, int64_t ldb, float* C, int64_t ldc,
                        bool add) {
  constexpr int kRows = 6;
  int64_t m = 0;
  const auto at = [&](int64_t row) { return Strided{A.data + row * A.row, A.row, A.column}; };
  for (; m + kRows <= M; m += kRows) product_rows<kRows>(N, K, at(m), B, ldb, C + m * ldc, ldc, add);
  for (; m + 2 <= M; m += 2) product_rows<2>(N, K, at(m), B, ldb, C + m * ldc, ldc, add);
  for (; m < M; ++m) product_rows<1>(N, K, at(m), B, ldb, C + m * ldc, ldc, add);
}

HWY_INLINE float dot(int64_t n, const float* a, const float* b) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  float out = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) out += a[i] * b[i];
  return out;
}

HWY_INLINE void scale_row(int64_t n, float factor, float* x) {
  for_lanes(
      n, [&](auto d, int64_t i) HWY_ATTR { hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i); });
}

// Products q . k to scores, in place; the largest is returned.
HWY_INLINE float scores_row(int64_t n, float scale, float cap, float* s) {
  const hn::ScalableTag<float> wide;
  auto top = hn::Set(wide, -3.0e38f);
  float rest = -3.0e38f;
  const float inverse = cap > 0 ? 1 / cap : 0;
  for_lanes(n, [&](auto d, int64_t i) HWY_ATTR {
    auto x = hn::Mul(hn::LoadU(d, s + i), hn::Set(d, scale));
    if (cap > 0) x = hn::Mul(hn::Set(d, cap), vtanh(hn::Mul(x, hn::Set(d, inverse))));
    hn::StoreU(x, d, s + i);
    if constexpr (std::is_same_v<decltype(d), std::remove_const_t<decltype(wide)>>)
      top = hn::Max(top, x);
    else
      rest = HWY_MAX(rest, hn::GetLane(x));
  });
  return HWY_MAX(rest, hn::GetLane(hn::MaxOfLanes(wide, top)));
}

// s <- exp(s - top); the sum is returned.
HWY_INLINE float exp_row(int64_t n, float top, float* s) {
  const hn::ScalableTag<float> wide;
  auto sum = hn::Zero(wide);
  float rest = 0;
  for_lanes(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto e = vexp(hn::Sub(hn::LoadU(d, s + i), hn::Set(d, top)));
    hn::StoreU(e, d, s + i);
    if constexpr (std::is_same_v<decltype(d), std::remove_const_t<decltype(wide)>>)
      sum = hn::Add(sum, e);
    else
      rest += hn::GetLane(e);
  });
  return rest + hn::GetLane(hn::SumOfLanes(wide, sum));
}

// From products s = q . k: s <- p = exp(score - lse), dp <- adjoint of the product (dp null: p only).
HWY_INLINE void weights_row(int64_t n, float scale, float cap, float lse, float along, float* s, float* dp) {
  const float inverse = cap > 0 ? 1 / cap : 0;
  for_lanes(n, [&](auto d, int64_t i) HWY_ATTR {
    auto x = hn::Mul(hn::LoadU(d, s + i), hn::Set(d, scale));
    auto slope = hn::Set(d, scale);
    if (cap > 0) {
      const auto y = vtanh(hn::Mul(x, hn::Set(d, inverse)));
      slope = hn::Mul(slope, hn::NegMulAdd(y, y, hn::Set(d, 1.0f)));
      x = hn::Mul(hn::Set(d, cap), y);
    }
    const auto p = vexp(hn::Sub(x, hn::Set(d, lse)));
    hn::StoreU(p, d, s + i);
    if (dp != nullptr)
      hn::StoreU(hn::Mul(hn::Mul(p, hn::Sub(hn::LoadU(d, dp + i), hn::Set(d, along))), slope), d, dp + i);
  });
}

// What a query does not see of a row of weights is zero.
HWY_INLINE void clear_unseen(glr::TileRange seen, int64_t width, float* row) {
  std::fill(row, row + seen.begin, 0.0f);
  std::fill(row + seen.end, row + width, 0.0f);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();
#endif
