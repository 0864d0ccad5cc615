// Channels in lanes: the vector type, the decay exp(dt A), and moving [T, D] and [D, N] data in and out of lanes.
#if defined(HINDSCAN_GLR_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_LANES_INL_H_
#undef HINDSCAN_GLR_LANES_INL_H_
#else
#define HINDSCAN_GLR_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "kernels/glr/lanes.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, kMaxLanes>;
using Vec = hn::VFromD<Lanes>;
constexpr int64_t kLanes = HWY_MIN(kMaxLanes, HWY_LANES(float));
// States kept in registers at once, with one register per state (forward) or two (backward).
constexpr int kStates = kLanes == 16 ? 16 : 8;
constexpr int kStatesBackward = kStates / 2;

// 2^(dt * rate), rate = A log2(e) <= 0: about 1.2 ulp plus the rounding of rate. The remainder of the exact product
// replaces Cody-Waite. NaN stays NaN; needs |dt * rate| < 1e14 (see kLimit).
HWY_INLINE Vec decay(Vec dt, Vec rate) {
  const Lanes d;
  const Vec n = hn::Round(hn::Mul(dt, rate));
  const Vec r = hn::MulSub(dt, rate, n);  // in [-1/2, 1/2]
  Vec p = hn::Set(d, 1.5453163e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3390863e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 9.6180826e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.5503571e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 2.4022651e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 6.9314719e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return Vec{_mm512_scalef_ps(p.raw, n.raw)};
#else
  const hn::RebindToSigned<Lanes> di;
  const auto exponent = hn::ConvertTo(di, hn::Min(n, hn::Set(d, 128.0f)));
  const Vec scaled = hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(exponent)));
  return hn::IfThenElse(hn::Lt(n, hn::Set(d, -125.0f)), hn::Zero(d), hn::IfThenElse(hn::Eq(r, r), scaled, r));
#endif
}

// Values of `count` channels, zero in the lanes beyond.
HWY_INLINE Vec load_channels(const float* from, int64_t count) {
  const Lanes d;
  if (count == kLanes) return hn::LoadU(d, from);
  HWY_ALIGN float lane[kMaxLanes] = {};
  for (int64_t l = 0; l < count; ++l) lane[l] = from[l];
  return hn::Load(d, lane);
}

HWY_INLINE void store_channels(Vec v, int64_t count, float* to) {
  const Lanes d;
  if (count == kLanes) return hn::StoreU(v, d, to);
  HWY_ALIGN float lane[kMaxLanes];
  hn::Store(v, d, lane);
  for (int64_t l = 0; l < count; ++l) to[l] = lane[l];
}

HWY_INLINE void add_channels(Vec v, int64_t count, float* to) {
  store_channels(hn::Add(v, load_channels(to, count)), count, to);
}

// to[c, r] = from[r, c], in 4 x 4 pieces: a single step is mostly this.
HWY_INLINE void transpose(const float* from, int64_t rows, int64_t cols, int64_t from_stride, float* to,
                          int64_t to_stride) {
  int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> d;
  for (; r + 4 <= rows; r += 4) {
    const float* in = from + r * from_stride;
    int64_t c = 0;
    for (; c + 4 <= cols; c += 4) {
      const auto v0 = hn::LoadU(d, in + c), v1 = hn::LoadU(d, in + from_stride + c);
      const auto v2 = hn::LoadU(d, in + 2 * from_stride + c), v3 = hn::LoadU(d, in + 3 * from_stride + c);
      const auto low02 = hn::InterleaveLower(d, v0, v2), low13 = hn::InterleaveLower(d, v1, v3);
      const auto up02 = hn::InterleaveUpper(d, v0, v2), up13 = hn::InterleaveUpper(d, v1, v3);
      float* out = to + c * to_stride + r;
      hn::StoreU(hn::InterleaveLower(d, low02, low13), d, out);
      hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, out + to_stride);
      hn::StoreU(hn::InterleaveLower(d, up02, up13), d, out + 2 * to_stride);
      hn::StoreU(hn::InterleaveUpper(d, up02, up13), d, out + 3 * to_stride);
    }
    for (; c < cols; ++c) {
      for (int64_t k = 0; k < 4; ++k) to[c * to_stride + r + k] = in[k * from_stride + c];
    }
  }
#endif
  for (; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

// rows [count, N] of a [D, N] matrix -> lanes [N, kLanes], zero in the lanes beyond.
HWY_INLINE void to_lanes(const float* rows, int64_t N, int64_t count, float* lanes) {
  if (count < kLanes) {
    for (int64_t i = 0; i < N * kLanes; ++i) lanes[i] = 0.0f;
  }
  transpose(rows, count, N, N, lanes, kLanes);
}

HWY_INLINE void from_lanes(const float* lanes, int64_t N, int64_t count, float* rows) {
  transpose(lanes, N, count, kLanes, rows, N);
}

// A -> lanes of A log2(e), the rates of decay(). The limit keeps the polynomial finite far below underflow.
HWY_INLINE void rates_to_lanes(const float* A, int64_t N, int64_t count, float* lanes) {
  const Lanes d;
  to_lanes(A, N, count, lanes);
  for (int64_t n = 0; n < N; ++n) {
    const Vec a = hn::Mul(hn::Load(d, lanes + n * kLanes), hn::Set(d, 1.44269504f));
    hn::Store(hn::IfThenElse(hn::Lt(a, hn::Set(d, -kLimit)), hn::Set(d, -kLimit), a), d, lanes + n * kLanes);
  }
}

HWY_INLINE Vec limit_step(Vec dt) {
  const Lanes d;
  return hn::IfThenElse(hn::Gt(dt, hn::Set(d, kLimit)), hn::Set(d, kLimit), dt);
}

// f(states, n0) over [0, N) in register blocks of `Block`, then 4 and 1.
template <int Block, class F>
HWY_INLINE void for_states(int64_t N, const F& f) {
  int64_t n = 0;
  for (; n + Block <= N; n += Block) f(std::integral_constant<int, Block>(), n);
  for (; n + 4 <= N; n += 4) f(std::integral_constant<int, 4>(), n);
  for (; n < N; ++n) f(std::integral_constant<int, 1>(), n);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
