// A row vector times the implicit attention, every structure: one adjoint vector [K] per head walks the tokens
// backwards.
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_sweep.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_attention.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// sum_i a_i b_i (u_i), two accumulators; u may be null.
HWY_INLINE float weighted_dot(const float* a, const float* b, const float* u, int64_t n) {
  const Lanes d;
  Vec sum[2] = {hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (int64_t block = 0; i + kLanes <= n; i += kLanes, ++block) {
    const Vec x = u ? hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, u + i)) : hn::LoadU(d, a + i);
    sum[block % 2] = hn::MulAdd(x, hn::LoadU(d, b + i), sum[block % 2]);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum[0], sum[1])));
  for (; i < n; ++i) total += a[i] * b[i] * (u ? u[i] : 1.0f);
  return total;
}

HWY_INLINE void add_scaled(const float* x, float weight, int64_t n, float* p) {
  if (weight == 0.0f) return;
  kernels::HWY_NAMESPACE::for_lanes(n, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, weight), hn::LoadU(d, x + i), hn::LoadU(d, p + i)), d, p + i);
  });
}

// p <- (base + factor) p, one pair or one per channel.
HWY_INLINE void decay_vector(const HeadCoeffs<float>& c, const float* base, const float* factor, int64_t K, float* p) {
  if (c.decay == DecayShape::kNone) return;
  const bool row = c.decay == DecayShape::kRow;
  kernels::HWY_NAMESPACE::for_lanes(K, [&](auto d, int64_t i) HWY_ATTR {
    const auto f = row ? hn::LoadU(d, factor + i) : hn::Set(d, *factor);
    const auto b = row ? hn::LoadU(d, base + i) : hn::Set(d, *base);
    const auto x = hn::LoadU(d, p + i);
    hn::StoreU(hn::MulAdd(f, x, hn::Mul(b, x)), d, p + i);
  });
}

// Decays of tokens [begin, end): [n] or [n, K].
HWY_INLINE void load_panel(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, int64_t begin, int64_t end,
                           SweepScratch* s) {
  if (c.decay == DecayShape::kNone) return;
  if (c.decay == DecayShape::kScalar) {
    for (int64_t t = begin; t < end; ++t) s->log[t - begin] = c.g[t * d.H + h];
    return decays(false, s->log, end - begin, s->factor, s->base);
  }
  for (int64_t t = begin; t < end; ++t) {
    decays(false, c.g + (t * d.H + h) * d.K, d.K, s->factor + (t - begin) * d.K, s->base + (t - begin) * d.K);
  }
}

// w and out [T, R, H]; p [K].
void RowTimes(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, const float* w, float* p, float* out,
              SweepScratch* s) {
  const int64_t K = d.K, group = h / (d.H / d.G), width = c.decay == DecayShape::kRow ? K : 1;
  for (int64_t end = d.T; end > 0;) {
    const int64_t begin = (end - 1) / kSweepPanel * kSweepPanel;
    load_panel(d, c, h, begin, end, s);
    for (int64_t t = end - 1; t >= begin; --t) {
      const float *q = c.q + (t * d.R * d.G + group) * K, *k = c.k + (t * d.R * d.G + group) * K;
      const auto weight = [&](int64_t r) { return w ? w[(t * d.R + r) * d.H + h] : 0.0f; };
      const auto read = [&]() HWY_ATTR {
        for (int64_t r = 0; r < d.R; ++r) add_scaled(q + r * d.G * K, weight(r), K, p);
      };
      if (c.read == Read::kAfter) read();
      for (int64_t i = 0; i < d.R; ++i) {
        float sum = weighted_dot(k + i * d.G * K, p, nullptr, K);
        if (c.s) sum *= c.s[t * d.H + h];
        for (int64_t r = 0; c.u && c.read != Read::kAfter && r < d.R; ++r) {
          if (weight(r) == 0.0f) continue;
          const float* u = c.read == Read::kBefore ? c.u + h * K : nullptr;
          const float own = weighted_dot(q + r * d.G * K, k + i * d.G * K, u, K);
          sum += weight(r) * (u ? own : own * c.u[t * d.H + h]);
        }
        out[(t * d.R + i) * d.H + h] = sum;
      }
      if (c.read == Read::kDecayed) read();
      if (c.b) add_scaled(c.c + (t * d.H + h) * K, weighted_dot(c.b + (t * d.H + h) * K, p, nullptr, K), K, p);
      decay_vector(c, s->base + (t - begin) * width, s->factor + (t - begin) * width, K, p);
      if (c.read == Read::kBefore) read();
    }
    end = begin;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {

HWY_EXPORT(RowTimes);

void row_times_vector(const HeadDims& d, const HeadCoeffs<float>& c, const float* w, float* carry, float* out) {
  const auto kernel = HS_DISPATCH(RowTimes);
#pragma omp parallel if (d.H > 1 && d.T * d.H * d.K >= kParallelUpdates)
  {
    thread_local SweepScratch scratch;
    scratch.resize(1, d.K);
#pragma omp for schedule(static)
    for (int64_t h = 0; h < d.H; ++h) kernel(d, c, h, w, carry + h * d.K, out, &scratch);
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
