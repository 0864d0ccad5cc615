// Independent check of a forward pass in double: the recurrence again, channels in lanes, nothing kept but the state.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/element.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/element_residual.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

using Doubles = hn::CappedTag<double, kMaxLanes / 2>;
using DoubleVec = hn::VFromD<Doubles>;
constexpr int64_t kDoubles = HWY_MIN(kMaxLanes / 2, HWY_LANES(double));

// e^x for x <= 0 to about 1 ulp, 0 below -708; NaN stays NaN.
HWY_INLINE DoubleVec exp_double(DoubleVec x) {
  const Doubles d;
  const hn::RebindToUnsigned<Doubles> du;
  const DoubleVec magic = hn::Set(d, 6755399441055744.0);  // 1.5 * 2^52: the sum's low bits hold the integer
  const DoubleVec low = hn::IfThenElse(hn::Lt(x, hn::Set(d, -708.0)), hn::Set(d, -708.0), x);
  const DoubleVec shifted = hn::MulAdd(low, hn::Set(d, 1.4426950408889634), magic);
  const DoubleVec n = hn::Sub(shifted, magic);
  DoubleVec r = hn::NegMulAdd(n, hn::Set(d, 0.693147180369123816490), low);
  r = hn::NegMulAdd(n, hn::Set(d, 1.90821492927058770002e-10), r);
  constexpr double kTaylor[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
  DoubleVec p = hn::Set(d, kTaylor[0]);
#pragma GCC unroll 16
  for (int k = 1; k < 13; ++k) p = hn::MulAdd(p, r, hn::Set(d, kTaylor[k]));
  const auto scaled = hn::Add(hn::BitCast(du, p), hn::ShiftLeft<52>(hn::BitCast(du, shifted)));
  const DoubleVec value = hn::IfThenElse(hn::Eq(r, r), hn::BitCast(d, scaled), r);
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, -708.0)), hn::Zero(d), value);
}

HWY_INLINE DoubleVec load_doubles(const float* from, int64_t count) {
  const Doubles d;
  HWY_ALIGN double lane[kMaxLanes] = {};
  for (int64_t l = 0; l < count; ++l) lane[l] = static_cast<double>(from[l]);
  return hn::Load(d, lane);
}

constexpr int64_t kResidualPanel = 64;

template <int States>
HWY_INLINE void residual_states(int64_t tokens, int64_t N, const double* A, const float* B, const float* C,
                                const double* dt, const double* u, double* S, double* y) {
  const Doubles d;
  DoubleVec s[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) s[n] = hn::Load(d, S + n * kDoubles);
  for (int64_t t = 0; t < tokens; ++t, B += N, C += N) {
    const DoubleVec step = hn::Load(d, dt + t * kDoubles), write = hn::Load(d, u + t * kDoubles);
    DoubleVec read = hn::Load(d, y + t * kDoubles);
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      const DoubleVec a = exp_double(hn::Mul(step, hn::Load(d, A + n * kDoubles)));
      s[n] = hn::MulAdd(a, s[n], hn::Mul(write, hn::Set(d, static_cast<double>(B[n]))));
      read = hn::MulAdd(s[n], hn::Set(d, static_cast<double>(C[n])), read);
    }
    hn::Store(read, d, y + t * kDoubles);
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) hn::Store(s[n], d, S + n * kDoubles);
}

// Adds to sums [T, 2]: squares of the difference and of the reference, over this block's channels.
void ResidualBlock(const ElementDims& dims, const ElementCoeffs<float>& c, const float* x, double* S0, const float* y,
                   Channels ch, double* sums) {
  const Doubles d;
  const int64_t D = dims.D, N = dims.N;
  HWY_ALIGN double A[kMaxStates * kMaxLanes / 2] = {}, S[kMaxStates * kMaxLanes / 2] = {};  // [N, lanes]
  HWY_ALIGN double dt[kResidualPanel * kMaxLanes / 2], u[kResidualPanel * kMaxLanes / 2];   // [panel, lanes]
  HWY_ALIGN double ref[kResidualPanel * kMaxLanes / 2];                                     // [panel, lanes]
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t l = 0; l < ch.count; ++l) {
      A[n * kDoubles + l] = static_cast<double>(c.A[(ch.first + l) * N + n]);
      if (S0) S[n * kDoubles + l] = S0[(ch.first + l) * N + n];
    }
  }
  for (int64_t t0 = 0; t0 < dims.T; t0 += kResidualPanel) {
    const int64_t tokens = HWY_MIN(kResidualPanel, dims.T - t0);
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t at = (t0 + t) * D + ch.first;
      const DoubleVec step = load_doubles(c.dt + at, ch.count);
      hn::Store(step, d, dt + t * kDoubles);
      hn::Store(hn::Mul(step, load_doubles(x + at, ch.count)), d, u + t * kDoubles);
      hn::Store(hn::Zero(d), d, ref + t * kDoubles);
    }
    for_states<kStates>(N, [&](auto states, int64_t n) HWY_ATTR {
      residual_states<states>(tokens, N, A + n * kDoubles, c.B + t0 * N + n, c.C + t0 * N + n, dt, u, S + n * kDoubles,
                              ref);
    });
    for (int64_t t = 0; t < tokens; ++t) {
      const DoubleVec expected = hn::Load(d, ref + t * kDoubles);
      const DoubleVec diff = hn::Sub(load_doubles(y + (t0 + t) * D + ch.first, ch.count), expected);
      sums[2 * (t0 + t)] += hn::GetLane(hn::SumOfLanes(d, hn::Mul(diff, diff)));
      sums[2 * (t0 + t) + 1] += hn::GetLane(hn::SumOfLanes(d, hn::Mul(expected, expected)));
    }
  }
  for (int64_t n = 0; S0 && n < N; ++n) {
    for (int64_t l = 0; l < ch.count; ++l) S0[(ch.first + l) * N + n] = S[n * kDoubles + l];
  }
}

int64_t DoubleLaneCount() { return kDoubles; }

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(ResidualBlock);
HWY_EXPORT(DoubleLaneCount);

constexpr int64_t kGroups = 8;  // fixed: the order of the sums must not depend on the threads

}  // namespace

void element_forward_residual(const ElementDims& dims, const ElementCoeffs<float>& c, const float* x, double* S0,
                              const float* y, double* residual) {
  ensure_isa_cap();
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(DoubleLaneCount)(), blocks = block_count(dims.D, lanes);
  const int64_t groups = std::min(kGroups, blocks);
  std::vector<double> sums(static_cast<size_t>(groups * dims.T * 2), 0.0);  // [groups, T, 2]
  const auto kernel = HWY_DYNAMIC_DISPATCH(ResidualBlock);
#pragma omp parallel for schedule(static) if (groups > 1 && dims.T * dims.D * dims.N >= kParallelUpdates)
  for (int64_t k = 0; k < groups; ++k) {
    for (int64_t b = blocks * k / groups; b < blocks * (k + 1) / groups; ++b) {
      kernel(dims, c, x, S0, y, channel_block(dims.D, lanes, b), sums.data() + k * dims.T * 2);
    }
  }
  for (int64_t t = 0; t < dims.T; ++t) {
    double diff = 0, norm = 0;
    for (int64_t k = 0; k < groups; ++k) {
      diff += sums[static_cast<size_t>((k * dims.T + t) * 2)];
      norm += sums[static_cast<size_t>((k * dims.T + t) * 2 + 1)];
    }
    residual[t] = diff == 0 ? 0 : std::sqrt(diff / norm);  // infinite where y should be 0 and is not
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
