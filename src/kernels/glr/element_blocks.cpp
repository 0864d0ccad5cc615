// Exact sums of alpha over blocks of rows and columns, and bounds for |alpha| and max(alpha, 0). Of each block of
// tokens three things per state suffice: what it writes (state after the block, x = 1), what it reads (weight of the
// state before the block in the sum of its outputs), and its decay.
#include <omp.h>

#include <algorithm>
#include <vector>

#include "base/arena.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/element_blocks.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/lanes-inl.h"

#ifndef HINDSCAN_GLR_ELEMENT_BLOCKS_ONCE
#define HINDSCAN_GLR_ELEMENT_BLOCKS_ONCE
namespace hindscan::kernels::glr {

constexpr float kBoundRounding = 1e-5f;  // of the sum of absolute values: bounds are widened by float rounding

struct BlocksJob {
  const ElementDims& dims;
  const ElementCoeffs<float>& c;
  const int64_t* edges;
  int64_t blocks;
  bool bounds;  // signed sums into lower, or bounds of the map
  ElementMap map;
  double *lower, *upper;  // [blocks, blocks] sums over channels, added to
};

// Scratch in floats. Everything per block of tokens; lanes are channels.
struct BlocksScratch {
  float *wrote, *reads, *decays;  // [blocks, N, lanes]
  float* within;                  // [blocks, lanes] sum inside the diagonal block
  float* row;                     // [blocks, lanes] one column of the block matrix

  static int64_t size(const ElementDims& dims, int64_t lanes, int64_t blocks) {
    return (3 * dims.N + 2) * blocks * lanes;
  }
  BlocksScratch(const ElementDims& dims, int64_t lanes, int64_t blocks, float* at) {
    const int64_t one = blocks * lanes;
    wrote = at, reads = wrote + dims.N * one, decays = reads + dims.N * one, within = decays + dims.N * one;
    row = within + one;
  }
};

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

HWY_INLINE Vec maybe_abs(bool absolute, float v) {
  const Lanes d;
  return hn::Set(d, absolute && v < 0 ? -v : v);
}

// One block of tokens for the states n .. n + States: fills wrote, reads; adds to within.
template <int States>
HWY_INLINE void summarise(const BlocksJob& job, Range tokens, Channels ch, bool absolute, int64_t n0, const float* rate,
                          float* wrote, float* reads, float* within) {
  const Lanes d;
  const int64_t D = job.dims.D, N = job.dims.N;
  Vec h[States], weight[States], read[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) {
    h[n] = read[n] = hn::Zero(d);
    weight[n] = hn::Set(d, 1.0f);
  }
  Vec sum = hn::Load(d, within);
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    const Vec dt = load_channels(job.c.dt + t * D + ch.first, ch.count), step = limit_step(dt);
    const float *B = job.c.B + t * N + n0, *C = job.c.C + t * N + n0;
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      const Vec a = decay(step, hn::Load(d, rate + n * kLanes)), c = maybe_abs(absolute, C[n]);
      h[n] = hn::MulAdd(a, h[n], hn::Mul(dt, maybe_abs(absolute, B[n])));
      weight[n] = hn::Mul(weight[n], a);
      read[n] = hn::MulAdd(c, weight[n], read[n]);
      sum = hn::MulAdd(c, h[n], sum);
    }
  }
  hn::Store(sum, d, within);
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) {
    hn::Store(h[n], d, wrote + n * kLanes);
    hn::Store(read[n], d, reads + n * kLanes);
  }
}

HWY_INLINE void summarise_all(const BlocksJob& job, Channels ch, bool absolute, const float* rate,
                              const BlocksScratch& w) {
  const Lanes d;
  const int64_t N = job.dims.N, D = job.dims.D;
  for (int64_t p = 0; p < job.blocks; ++p) {
    const Range tokens{job.edges[p], job.edges[p + 1]};
    const int64_t at = p * N * kLanes;
    hn::Store(hn::Zero(d), d, w.within + p * kLanes);
    for_states<kStatesBackward>(N, [&](auto states, int64_t n) HWY_ATTR {
      const int64_t k = n * kLanes;
      summarise<states>(job, tokens, ch, absolute, n, rate + k, w.wrote + at + k, w.reads + at + k,
                        w.within + p * kLanes);
    });
    HWY_ALIGN double steps[kMaxLanes] = {};
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      for (int64_t l = 0; l < ch.count; ++l) steps[l] += static_cast<double>(job.c.dt[t * D + ch.first + l]);
    }
    HWY_ALIGN float step[kMaxLanes];
    for (int64_t l = 0; l < kLanes; ++l) step[l] = static_cast<float>(steps[l]);
    const Vec whole = limit_step(hn::Load(d, step));
    for (int64_t n = 0; n < N; ++n) {
      hn::Store(decay(whole, hn::Load(d, rate + n * kLanes)), d, w.decays + at + n * kLanes);
    }
  }
}

// out[p] for p >= q, [blocks, lanes]: column q of the block matrix.
HWY_INLINE void column(const BlocksJob& job, int64_t q, const BlocksScratch& w, float* out) {
  const Lanes d;
  const int64_t N = job.dims.N;
  hn::Store(hn::Load(d, w.within + q * kLanes), d, out + q * kLanes);
  for (int64_t p = q + 1; p < job.blocks; ++p) hn::Store(hn::Zero(d), d, out + p * kLanes);
  for_states<kStates>(N, [&](auto states, int64_t n0) HWY_ATTR {
    constexpr int kCount = states;
    Vec g[kCount];
#pragma GCC unroll 16
    for (int n = 0; n < kCount; ++n) g[n] = hn::Load(d, w.wrote + (q * N + n0 + n) * kLanes);
    for (int64_t p = q + 1; p < job.blocks; ++p) {
      Vec sum = hn::Load(d, out + p * kLanes);
#pragma GCC unroll 16
      for (int n = 0; n < kCount; ++n) {
        const int64_t at = (p * N + n0 + n) * kLanes;
        sum = hn::MulAdd(g[n], hn::Load(d, w.reads + at), sum);
        g[n] = hn::Mul(g[n], hn::Load(d, w.decays + at));
      }
      hn::Store(sum, d, out + p * kLanes);
    }
  });
}

HWY_INLINE double total(Vec v) {
  const Lanes d;
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, v)));
}

// Channel sums into lower; for bounds the signed sums [blocks, blocks, lanes] are kept for the pass with |C| |B|.
void BlocksBlock(const BlocksJob& job, Channels ch, float* memory, float* signed_sums) {
  const Lanes d;
  const int64_t N = job.dims.N, blocks = job.blocks;
  const BlocksScratch w(job.dims, kLanes, blocks, memory);
  HWY_ALIGN float rate[kMaxStates * kMaxLanes];  // [N, lanes]
  rates_to_lanes(job.c.A + ch.first * N, N, ch.count, rate);
  summarise_all(job, ch, false, rate, w);
  for (int64_t q = 0; q < blocks; ++q) {
    column(job, q, w, w.row);
    for (int64_t p = q; p < blocks; ++p) {
      const Vec sum = hn::Load(d, w.row + p * kLanes);
      if (job.bounds) {
        hn::Store(sum, d, signed_sums + (p * blocks + q) * kLanes);
      } else {
        job.lower[p * blocks + q] += total(sum);
      }
    }
  }
  if (!job.bounds) return;
  const Vec zero = hn::Zero(d), half = hn::Set(d, 0.5f), rounding = hn::Set(d, kBoundRounding);
  const bool positive = job.map == ElementMap::kMeanPositive;
  summarise_all(job, ch, true, rate, w);
  for (int64_t q = 0; q < blocks; ++q) {
    column(job, q, w, w.row);
    for (int64_t p = q; p < blocks; ++p) {
      const int64_t cell = p * blocks + q;
      const Vec sum = hn::Load(d, signed_sums + cell * kLanes), all = hn::Load(d, w.row + p * kLanes);
      const Vec low = positive ? sum : hn::Abs(sum);
      // Sum of positive parts = (sum of |.| + sum) / 2, state by state.
      const Vec high = positive ? hn::Mul(hn::Add(all, sum), half) : all;
      const Vec margin = hn::Mul(all, rounding), reduced = hn::Sub(low, margin);
      job.lower[cell] += total(hn::IfThenElse(hn::Lt(reduced, zero), zero, reduced));
      job.upper[cell] += total(hn::Add(high, margin));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(BlocksBlock);

constexpr int64_t kGroups = 8;  // fixed: the order of the sums must not depend on the threads

// Sums over channels [blocks, blocks], the upper ones behind the lower ones when bounds are wanted.
std::vector<double> block_totals(const ElementDims& dims, const ElementCoeffs<float>& c, Range channels,
                                 const int64_t* edges, int64_t blocks, bool bounds, ElementMap map) {
  const int64_t lanes = lane_count(), width = channels.end - channels.begin, pieces = block_count(width, lanes);
  const int64_t groups = std::min(kGroups, pieces), cells = blocks * blocks, outputs = bounds ? 2 : 1;
  const bool parallel = groups > 1 && dims.T * width * dims.N >= kParallelUpdates;
  const int threads = parallel ? omp_get_max_threads() : 1;
  const int64_t scratch = BlocksScratch::size(dims, lanes, blocks) + (bounds ? cells * lanes : 0);
  const int64_t stride = (scratch + 15) / 16 * 16;
  const HugeBuffer buffer(static_cast<size_t>(stride * threads) * sizeof(float));
  std::vector<double> partial(static_cast<size_t>(groups * outputs * cells), 0.0);  // [groups, outputs, blocks, blocks]
  const auto kernel = HWY_DYNAMIC_DISPATCH(BlocksBlock);
#pragma omp parallel for schedule(static) num_threads(threads) if (parallel)
  for (int64_t k = 0; k < groups; ++k) {
    double* mine = partial.data() + k * outputs * cells;
    float* memory = buffer.as<float>() + omp_get_thread_num() * stride;
    const BlocksJob job{dims, c, edges, blocks, bounds, map, mine, bounds ? mine + cells : nullptr};
    for (int64_t b = pieces * k / groups; b < pieces * (k + 1) / groups; ++b) {
      Channels ch = channel_block(width, lanes, b);
      ch.first += channels.begin;
      kernel(job, ch, memory, memory + BlocksScratch::size(dims, lanes, blocks));
    }
  }
  for (int64_t k = 1; k < groups; ++k) {
    for (int64_t i = 0; i < outputs * cells; ++i) {
      partial[static_cast<size_t>(i)] += partial[static_cast<size_t>(k * outputs * cells + i)];
    }
  }
  partial.resize(static_cast<size_t>(outputs * cells));
  for (double& v : partial) v /= static_cast<double>(width);
  return partial;
}

}  // namespace

void element_block_sums(const ElementDims& dims, const ElementCoeffs<float>& c, int64_t channel, const int64_t* edges,
                        int64_t blocks, float* out) {
  const Range channels = channel < 0 ? Range{0, dims.D} : Range{channel, channel + 1};
  const std::vector<double> sums = block_totals(dims, c, channels, edges, blocks, false, ElementMap::kMean);
  for (size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<float>(sums[i]);
}

void element_block_bounds(const ElementDims& dims, const ElementCoeffs<float>& c, ElementMap map, const int64_t* edges,
                          int64_t blocks, float* lower, float* upper) {
  const std::vector<double> both = block_totals(dims, c, {0, dims.D}, edges, blocks, true, map);
  const size_t cells = static_cast<size_t>(blocks * blocks);
  for (size_t i = 0; i < cells; ++i) {
    lower[i] = static_cast<float>(both[i]);
    upper[i] = static_cast<float>(both[cells + i]);
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
