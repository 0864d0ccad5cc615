// Forward scan, value adjoint, rows and row products: one pass over the tokens per block of channels.
#include <algorithm>
#include <vector>

#include "base/arena.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/element_scan.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/lanes-inl.h"

#ifndef HINDSCAN_GLR_ELEMENT_SCAN_ONCE
#define HINDSCAN_GLR_ELEMENT_SCAN_ONCE
namespace hindscan::kernels::glr {

// The adjoint signal: dy [T, D], or r [T] for every channel.
struct AdjointInput {
  const float* dy;
  const float* r;
};
// Where the adjoint of x goes: dx [T, D], added or overwritten, or its sum over the block's channels, sums [T].
struct AdjointOutput {
  float* dx;
  bool add;
  float* sums;
};

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

constexpr int64_t kPanel = 64;  // tokens whose dt, dt x and y stay in the first-level cache

// States n0 .. n0+States of one block over `tokens` tokens; B, C point at [token 0, n0].
template <int States>
HWY_INLINE void forward_states(int64_t tokens, int64_t N, const float* rate, const float* B, const float* C,
                               const float* dt, const float* u, float* S, float* y) {
  const Lanes d;
  Vec s[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) s[n] = hn::Load(d, S + n * kLanes);
  for (int64_t t = 0; t < tokens; ++t, B += N, C += N) {
    const Vec step = hn::Load(d, dt + t * kLanes);
    const Vec write = hn::Load(d, u + t * kLanes);
    Vec read[2] = {hn::Load(d, y + t * kLanes), hn::Zero(d)};
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      const Vec a = decay(step, hn::Load(d, rate + n * kLanes));
      s[n] = hn::MulAdd(a, s[n], hn::Mul(write, hn::Set(d, B[n])));
      read[n % 2] = hn::MulAdd(s[n], hn::Set(d, C[n]), read[n % 2]);
    }
    hn::Store(hn::Add(read[0], read[1]), d, y + t * kLanes);
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) hn::Store(s[n], d, S + n * kLanes);
}

void ForwardBlock(const ElementDims& dims, const ElementCoeffs<float>& c, const float* x, float* S, float* y,
                  Channels ch) {
  const Lanes d;
  const int64_t D = dims.D, N = dims.N;
  HWY_ALIGN float rate[kMaxStates * kMaxLanes], state[kMaxStates * kMaxLanes];             // [N, lanes]
  HWY_ALIGN float dt[kPanel * kMaxLanes], u[kPanel * kMaxLanes], out[kPanel * kMaxLanes];  // [panel, lanes]
  rates_to_lanes(c.A + ch.first * N, N, ch.count, rate);
  to_lanes(S + ch.first * N, N, ch.count, state);
  for (int64_t t0 = 0; t0 < dims.T; t0 += kPanel) {
    const int64_t tokens = HWY_MIN(kPanel, dims.T - t0);
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t at = (t0 + t) * D + ch.first;
      const Vec step = load_channels(c.dt + at, ch.count);
      hn::Store(limit_step(step), d, dt + t * kLanes);
      hn::Store(hn::Mul(step, load_channels(x + at, ch.count)), d, u + t * kLanes);
      hn::Store(hn::Zero(d), d, out + t * kLanes);
    }
    for_states<kStates>(N, [&](auto states, int64_t n) HWY_ATTR {
      forward_states<states>(tokens, N, rate + n * kLanes, c.B + t0 * N + n, c.C + t0 * N + n, dt, u,
                             state + n * kLanes, out);
    });
    for (int64_t t = 0; t < tokens; ++t) {
      store_channels(hn::Load(d, out + t * kLanes), ch.count, y + (t0 + t) * D + ch.first);
    }
  }
  from_lanes(state, N, ch.count, S + ch.first * N);
}

// The same backwards: L <- exp(dt A) (L + C dy) with z = sum_n L B read in between.
template <int States>
HWY_INLINE void adjoint_states(int64_t tokens, int64_t N, const float* rate, const float* B, const float* C,
                               const float* dt, const float* dy, float* L, float* z) {
  const Lanes d;
  Vec l[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) l[n] = hn::Load(d, L + n * kLanes);
  for (int64_t t = tokens - 1; t >= 0; --t) {
    const Vec step = hn::Load(d, dt + t * kLanes);
    const Vec in = hn::Load(d, dy + t * kLanes);
    Vec read[2] = {hn::Load(d, z + t * kLanes), hn::Zero(d)};
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      const Vec sum = hn::MulAdd(in, hn::Set(d, C[t * N + n]), l[n]);
      read[n % 2] = hn::MulAdd(sum, hn::Set(d, B[t * N + n]), read[n % 2]);
      l[n] = hn::Mul(sum, decay(step, hn::Load(d, rate + n * kLanes)));
    }
    hn::Store(hn::Add(read[0], read[1]), d, z + t * kLanes);
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) hn::Store(l[n], d, L + n * kLanes);
}

void AdjointBlock(const ElementDims& dims, const ElementCoeffs<float>& c, const AdjointInput& in, float* L,
                  const AdjointOutput& out, Channels ch) {
  const Lanes d;
  const int64_t D = dims.D, N = dims.N;
  HWY_ALIGN float rate[kMaxStates * kMaxLanes], state[kMaxStates * kMaxLanes];            // [N, lanes]
  HWY_ALIGN float dt[kPanel * kMaxLanes], dy[kPanel * kMaxLanes], z[kPanel * kMaxLanes];  // [panel, lanes]
  rates_to_lanes(c.A + ch.first * N, N, ch.count, rate);
  to_lanes(L + ch.first * N, N, ch.count, state);
  for (int64_t end = dims.T; end > 0;) {
    const int64_t t0 = (end - 1) / kPanel * kPanel;
    for (int64_t t = 0; t < end - t0; ++t) {
      const int64_t at = (t0 + t) * D + ch.first;
      const Vec signal = in.dy ? load_channels(in.dy + at, ch.count) : hn::Set(d, in.r[t0 + t]);
      hn::Store(limit_step(load_channels(c.dt + at, ch.count)), d, dt + t * kLanes);
      hn::Store(signal, d, dy + t * kLanes);
      hn::Store(hn::Zero(d), d, z + t * kLanes);
    }
    for_states<kStates>(N, [&](auto states, int64_t n) HWY_ATTR {
      adjoint_states<states>(end - t0, N, rate + n * kLanes, c.B + t0 * N + n, c.C + t0 * N + n, dt, dy,
                             state + n * kLanes, z);
    });
    for (int64_t t = 0; t < end - t0; ++t) {
      const int64_t at = (t0 + t) * D + ch.first;
      const Vec dx = hn::Mul(hn::Load(d, z + t * kLanes), load_channels(c.dt + at, ch.count));
      if (out.sums) {
        out.sums[t0 + t] = hn::GetLane(hn::SumOfLanes(d, dx));
      } else if (out.add) {
        add_channels(dx, ch.count, out.dx + at);
      } else {
        store_channels(dx, ch.count, out.dx + at);
      }
    }
    end = t0;
  }
  from_lanes(state, N, ch.count, L + ch.first * N);
}

int64_t LaneCount() { return kLanes; }
const char* TargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(ForwardBlock);
HWY_EXPORT(AdjointBlock);
HWY_EXPORT(LaneCount);
HWY_EXPORT(TargetName);

void adjoint(const ElementDims& dims, const ElementCoeffs<float>& c, const AdjointInput& in, float* L,
             const AdjointOutput& out) {
  const int64_t lanes = lane_count(), blocks = block_count(dims.D, lanes);
  const auto kernel = HWY_DYNAMIC_DISPATCH(AdjointBlock);
#pragma omp parallel for schedule(static) if (blocks > 1 && dims.T * dims.D * dims.N >= kParallelUpdates)
  for (int64_t b = 0; b < blocks; ++b) {
    AdjointOutput mine = out;
    if (mine.sums) mine.sums += b * dims.T;
    kernel(dims, c, in, L, mine, channel_block(dims.D, lanes, b));
  }
}

}  // namespace

int64_t lane_count() {
  ensure_isa_cap();
  return HWY_DYNAMIC_DISPATCH(LaneCount)();
}

const char* element_isa() {
  ensure_isa_cap();
  return HWY_DYNAMIC_DISPATCH(TargetName)();
}

void element_forward(const ElementDims& dims, const ElementCoeffs<float>& c, const float* x, float* S, float* y) {
  const int64_t lanes = lane_count(), blocks = block_count(dims.D, lanes);
  const auto kernel = HWY_DYNAMIC_DISPATCH(ForwardBlock);
#pragma omp parallel for schedule(static) if (blocks > 1 && dims.T * dims.D * dims.N >= kParallelUpdates)
  for (int64_t b = 0; b < blocks; ++b) kernel(dims, c, x, S, y, channel_block(dims.D, lanes, b));
}

void element_value_adjoint(const ElementDims& dims, const ElementCoeffs<float>& c, const float* dy, float* L,
                           float* dx) {
  adjoint(dims, c, {dy, nullptr}, L, {dx, true, nullptr});
}

void element_row(const ElementDims& dims, const ElementCoeffs<float>& c, int64_t t, float* row, float* L) {
  std::vector<float> unit(static_cast<size_t>(t + 1), 0.0f);  // [t + 1]
  unit.back() = 1.0f;
  std::fill(L, L + dims.D * dims.N, 0.0f);
  adjoint({t + 1, dims.D, dims.N}, c, {nullptr, unit.data()}, L, {row, false, nullptr});
}

void element_row_times_mean(const ElementDims& dims, const ElementCoeffs<float>& c, const float* r, float* g,
                            float* out) {
  const int64_t blocks = block_count(dims.D, lane_count());
  const HugeBuffer buffer(static_cast<size_t>(blocks * dims.T) * sizeof(float));
  float* sums = buffer.as<float>();  // [blocks, T]
  adjoint(dims, c, {nullptr, r}, g, {nullptr, false, sums});
  for (int64_t t = 0; t < dims.T; ++t) {
    double sum = 0;
    for (int64_t b = 0; b < blocks; ++b) sum += static_cast<double>(sums[b * dims.T + t]);
    out[t] = static_cast<float>(sum / static_cast<double>(dims.D));
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
