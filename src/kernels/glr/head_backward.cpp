// Exact gradients of diagonal transitions without recomputing states token by token: the adjoints of q and k are sweeps
// of the transposed state (forwards with dy read from S, backwards with v read from its adjoint L), that of v is the
// value adjoint. With F_t = rows of <S_t, L_t>, r_t = q_t dq_t and c_t = k_t dk_t (the parts through the state), per
// key channel
//   dg_t = F_t - c_t + r_t,  F_{t-1} = dg_t        (kBefore: dg_t = F_t - c_t,  F_{t-1} = dg_t + r_t),
// restarted from kept states at every panel, so that rounding does not add up. The read of the current token (kAfter:
// its own write) is kept apart from the state: it would cancel in dg.
#include "kernels/glr/head_backward.h"

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_backward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// All heads of one group, key channels of one block.
void KeyGradients(const KeyTask& task, int64_t group, int64_t block, SweepScratch* sweep, KeyScratch* s) {
  const HeadDims& d = task.d;
  const int64_t first = block * kSweepLanes, count = HWY_MIN(kSweepLanes, d.K - first), per_group = d.H / d.G;
  const int64_t blocks = (d.K + kSweepLanes - 1) / kSweepLanes, size = d.V * kSweepLanes;
  s->S.assign(static_cast<size_t>(size), 0.0f), s->L.assign(static_cast<size_t>(size), 0.0f);
  s->reads.resize(static_cast<size_t>(d.T * kSweepLanes));
  s->kept.resize(static_cast<size_t>((d.T + kSweepPanel - 1) / kSweepPanel * size));
  for (int64_t h = group * per_group; h < (group + 1) * per_group; ++h) {
    const int64_t at = (h * d.K + first) * d.V;
    transpose(task.S0 + at, count, d.V, d.V, s->S.data(), kSweepLanes);
    transpose(task.grads.dS + at, count, d.V, d.V, s->L.data(), kSweepLanes);
    const KeyBlock b{task, h, first, count, block, blocks};
    query_pass(b, sweep, s);
    key_pass(b, sweep, s);
  }
}

// dots [T, R, R] = dy_r . v_w of one head.
void TokenDots(const HeadDims& d, int64_t h, const float* v, const float* dy, float* dots) {
  const Lanes tag;
  const auto at = [&](int64_t t, int64_t r) { return ((t * d.R + r) * d.H + h) * d.V; };
  for (int64_t i = 0; i < d.T * d.R * d.R; ++i) {
    const int64_t t = i / (d.R * d.R);
    const float *a = dy + at(t, i / d.R % d.R), *b = v + at(t, i % d.R);
    Vec sum = hn::Zero(tag);
    int64_t n = 0;
    for (; n + kLanes <= d.V; n += kLanes) sum = hn::MulAdd(hn::LoadU(tag, a + n), hn::LoadU(tag, b + n), sum);
    if (n < d.V) sum = hn::MulAdd(load_channels(a + n, d.V - n), load_channels(b + n, d.V - n), sum);
    dots[i] = hn::GetLane(hn::SumOfLanes(tag, sum));
  }
}

int64_t SweepLanes() { return kSweepLanes; }

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(KeyGradients);
HWY_EXPORT(TokenDots);
HWY_EXPORT(SweepLanes);

// to [T, H] += the blocks' shares, in order.
void add_shares(const HeadDims& d, const std::vector<float>& sums, int64_t blocks, int which, float* to) {
  for (int64_t h = 0; to && h < d.H; ++h) {
    for (int64_t block = 0; block < blocks; ++block) {
      const float* share = sums.data() + ((h * blocks + block) * 3 + which) * d.T;
      for (int64_t t = 0; t < d.T; ++t) to[t * d.H + h] += share[t];
    }
  }
}

void key_gradients(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0, const float* dy,
                   const HeadGrads<float>& grads) {
  const int64_t lanes = HS_DISPATCH(SweepLanes)(), blocks = (d.K + lanes - 1) / lanes;
  const auto kernel = HS_DISPATCH(KeyGradients);
  const auto dot_kernel = HS_DISPATCH(TokenDots);
  const bool parallel = d.T * d.H * d.K * d.V >= kParallelUpdates;
  std::vector<float> dots(static_cast<size_t>(d.H * d.T * d.R * d.R));   // [H, T, R, R]
  std::vector<float> sums(static_cast<size_t>(d.H * blocks * 3 * d.T));  // [H, blocks, 3, T]
#pragma omp parallel for schedule(static) if (parallel && d.H > 1)
  for (int64_t h = 0; h < d.H; ++h) dot_kernel(d, h, v, dy, dots.data() + h * d.T * d.R * d.R);
  const KeyTask task{d, c, v, S0, dy, dots.data(), grads, sums.data()};
#pragma omp parallel if (parallel && d.G * blocks > 1)
  {
    thread_local SweepScratch sweep;
    thread_local KeyScratch scratch;
    sweep.resize(d.R, lanes);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < d.G * blocks; ++i) kernel(task, i / blocks, i % blocks, &sweep, &scratch);
    if (scratch.kept.size() * sizeof(float) > kKeptBytes) scratch = KeyScratch();
  }
  if (c.decay == DecayShape::kScalar) add_shares(d, sums, blocks, 0, grads.dg);
  if (c.s) add_shares(d, sums, blocks, 1, grads.ds);
  if (c.read == Read::kDecayed && c.u) add_shares(d, sums, blocks, 2, grads.du);
}

}  // namespace

void diagonal_backward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0, const float* dy,
                       const HeadGrads<float>& grads) {
  if (grads.dq || grads.dk || grads.dg || grads.ds || grads.du) key_gradients(d, c, v, S0, dy, grads);
  std::vector<float> unwanted(grads.dv ? 0 : static_cast<size_t>(d.T * d.R * d.H * d.V));
  diagonal_value_adjoint(d, c, dy, grads.dS, grads.dv ? grads.dv : unwanted.data());
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
