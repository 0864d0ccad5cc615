// One pass of a head's state over tokens, in registers: the body of the sequential forward pass, of its adjoint in v
// and, on the transposed state, of its adjoints in q and k. With rows broadcast and lanes in vectors, per token
//   M [rows, lanes] <- diag(a) M + sum_r write_r in_r^T,   out_r = read_r^T M  (M as the read mode says).
#if defined(HINDSCAN_GLR_HEAD_SWEEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_SWEEP_INL_H_
#undef HINDSCAN_GLR_HEAD_SWEEP_INL_H_
#else
#define HINDSCAN_GLR_HEAD_SWEEP_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_sweep.h"
#include "kernels/glr/lanes-inl.h"
#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

constexpr int kSweepRows = kLanes == 16 ? 8 : 4;
constexpr int64_t kSweepLanes = 2 * kLanes;

// e^x - 1 for x <= 0: a decay near 1 keeps its distance from 1 to full precision.
template <class D>
HWY_INLINE hn::VFromD<D> expm1_nonpositive(D d, hn::VFromD<D> x) {
  constexpr float kTaylor[] = {1.0f / 3628800, 1.0f / 362880, 1.0f / 40320, 1.0f / 5040, 1.0f / 720,
                               1.0f / 120,     1.0f / 24,     1.0f / 6,     0.5f};
  auto p = hn::Set(d, kTaylor[0]);
#pragma GCC unroll 16
  for (int i = 1; i < 9; ++i) p = hn::MulAdd(p, x, hn::Set(d, kTaylor[i]));
  const auto near = hn::MulAdd(hn::Mul(p, x), x, x);
  const auto far = hn::Sub(kernels::HWY_NAMESPACE::vexp(x), hn::Set(d, 1.0f));
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, -0.7f)), near, far);
}

// Log decays -> (factor, base) with exp g = base + factor: base 1 keeps slow decays exact over thousands of tokens,
// base 0 keeps fast ones exact. Where all are gentle base is 1 throughout.
HWY_INLINE bool are_gentle(const float* g, int64_t n) {
  const Lanes d;
  Vec least = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) least = hn::Min(least, hn::LoadU(d, g + i));
  float smallest = hn::GetLane(hn::MinOfLanes(d, least));
  for (; i < n; ++i) smallest = HWY_MIN(smallest, g[i]);
  return smallest >= kGentle;
}
HWY_INLINE void decays(bool gentle, const float* g, int64_t n, float* factor, float* base) {
  kernels::HWY_NAMESPACE::for_lanes(n, [&](auto d, int64_t i) HWY_ATTR {
    const auto x = hn::LoadU(d, g + i);
    const auto less_one = expm1_nonpositive(d, x);
    if (gentle) return hn::StoreU(less_one, d, factor + i);
    const auto slow = hn::Ge(x, hn::Set(d, -0.7f));
    hn::StoreU(hn::IfThenElse(slow, less_one, kernels::HWY_NAMESPACE::vexp(x)), d, factor + i);
    hn::StoreU(hn::IfThenElseZero(slow, hn::Set(d, 1.0f)), d, base + i);
  });
}

// Rows [row, row + Rows) of the state, NV vectors of lanes, over the tokens of a panel.
template <int Rows, int NV, Read kRead, DecayAt kAt>
void sweep_tile(const SweepPanel& p, int64_t row, int64_t count, float* M, int64_t stride) {
  const Lanes d;
  Vec m[Rows][NV];
  const auto at_lane = [&](int v) { return HWY_MAX(int64_t{0}, HWY_MIN(kLanes, count - v * kLanes)); };
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) m[i][v] = load_channels(M + i * stride + v * kLanes, at_lane(v));
  }
  const float *write = p.write + row, *read = p.read + row, *in = p.in;
  float* out = p.out;
  const int64_t R = p.R, read_r = p.read_r, write_r = p.write_r;
  const bool gentle = p.gentle;
  const auto reads = [&]() HWY_ATTR {
    const float* x = read;
    for (int64_t r = 0; r < R; ++r, x += read_r) {
      float* to = out + r * NV * kLanes;
      Vec sum[2][NV];
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) sum[0][v] = hn::Load(d, to + v * kLanes), sum[1][v] = hn::Zero(d);
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) {
        const Vec xi = hn::Set(d, x[i]);
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) sum[i % 2][v] = hn::MulAdd(xi, m[i][v], sum[i % 2][v]);
      }
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) hn::Store(hn::Add(sum[0][v], sum[1][v]), d, to + v * kLanes);
    }
  };
  for (int64_t n = 0; n < p.tokens; ++n) {
    if (kRead == Read::kBefore) reads();
    if (kAt != DecayAt::kNone) {
      const float *factor = p.factor + n * p.decay_stride, *base = p.base + n * p.decay_stride;
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) {
          const auto pick = [&](const float* x) HWY_ATTR {
            return kAt == DecayAt::kLanes ? hn::Load(d, x + v * kLanes)
                                          : hn::Set(d, x[kAt == DecayAt::kRows ? row + i : 0]);
          };
          m[i][v] = hn::MulAdd(pick(factor), m[i][v], gentle ? m[i][v] : hn::Mul(pick(base), m[i][v]));
        }
      }
    }
    if (kRead == Read::kDecayed) reads();
    const float* x = write;
    for (int64_t r = 0; r < R; ++r, x += write_r) {
      Vec value[NV];
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) value[v] = hn::Load(d, in + (r * NV + v) * kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) {
        const Vec xi = hn::Set(d, x[i]);
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) m[i][v] = hn::MulAdd(xi, value[v], m[i][v]);
      }
    }
    if (kRead == Read::kAfter) reads();
    write += p.write_token, read += p.read_token;
    in += R * NV * kLanes, out += R * NV * kLanes;
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
      if (at_lane(v) > 0) store_channels(m[i][v], at_lane(v), M + i * stride + v * kLanes);
    }
  }
}

template <int NV, Read kRead, DecayAt kAt>
void sweep_rows(const SweepPanel& p, int64_t rows, int64_t count, float* M, int64_t stride) {
  int64_t row = 0;
  for (; row + kSweepRows <= rows; row += kSweepRows) {
    sweep_tile<kSweepRows, NV, kRead, kAt>(p, row, count, M + row * stride, stride);
  }
  for (; row < rows; ++row) sweep_tile<1, NV, kRead, kAt>(p, row, count, M + row * stride, stride);
}

template <int NV, Read kRead>
void sweep_decays(const SweepPanel& p, DecayAt at, int64_t rows, int64_t count, float* M, int64_t stride) {
  switch (at) {
    case DecayAt::kNone:
      return sweep_rows<NV, kRead, DecayAt::kNone>(p, rows, count, M, stride);
    case DecayAt::kShared:
      return sweep_rows<NV, kRead, DecayAt::kShared>(p, rows, count, M, stride);
    case DecayAt::kRows:
      return sweep_rows<NV, kRead, DecayAt::kRows>(p, rows, count, M, stride);
    case DecayAt::kLanes:
      return sweep_rows<NV, kRead, DecayAt::kLanes>(p, rows, count, M, stride);
  }
}

template <int NV>
void sweep_reads(const SweepPanel& p, Read read, DecayAt at, int64_t rows, int64_t count, float* M, int64_t stride) {
  switch (read) {
    case Read::kAfter:
      return sweep_decays<NV, Read::kAfter>(p, at, rows, count, M, stride);
    case Read::kBefore:
      return sweep_decays<NV, Read::kBefore>(p, at, rows, count, M, stride);
    case Read::kDecayed:
      return sweep_decays<NV, Read::kDecayed>(p, at, rows, count, M, stride);
  }
}

// Decays of the panel's tokens, in the order of the sweep; a reverse sweep applies token t + 1's on the way to token t.
HWY_INLINE void panel_decays(const Sweep& s, int64_t n0, SweepPanel* p, SweepScratch* scratch) {
  const int64_t shift = s.reverse && s.read != Read::kBefore ? 1 : 0;
  const auto source = [&](int64_t n) {  // null: before the first
    const int64_t step = n0 + n - shift;
    return step < 0 ? nullptr : s.g + (s.reverse ? s.tokens - 1 - step : step) * s.g_token;
  };
  p->factor = scratch->factor, p->base = scratch->base;
  if (s.at == DecayAt::kShared) {
    for (int64_t n = 0; n < p->tokens; ++n) scratch->log[n] = source(n) ? *source(n) : 0.0f;
    p->decay_stride = 1, p->gentle = are_gentle(scratch->log, p->tokens);
    return decays(p->gentle, scratch->log, p->tokens, scratch->factor, scratch->base);
  }
  const int64_t width = s.at == DecayAt::kRows ? s.rows : s.lanes;
  p->decay_stride = s.at == DecayAt::kRows ? width : kSweepLanes, p->gentle = true;
  for (int64_t n = 0; n < p->tokens; ++n) p->gentle &= !source(n) || are_gentle(source(n), width);
  for (int64_t n = 0; n < p->tokens; ++n) {
    float *factor = scratch->factor + n * p->decay_stride, *base = scratch->base + n * p->decay_stride;
    if (source(n)) {
      decays(p->gentle, source(n), width, factor, base);
    } else {
      for (int64_t i = 0; i < width; ++i) factor[i] = 0.0f, base[i] = 1.0f;
    }
    for (int64_t i = width; i < p->decay_stride; ++i) factor[i] = 0.0f, base[i] = 1.0f;
  }
}

// Tokens of one head lie pages apart, which no hardware prefetcher follows: ask for those of the next panel.
HWY_INLINE void prefetch_rows(const Sweep& s, const Strided<const float>& x, int64_t n0, int64_t width) {
  if (!x.base) return;
  for (int64_t n = n0; n < HWY_MIN(n0 + kSweepPanel, s.tokens); ++n) {
    const int64_t t = s.reverse ? s.tokens - 1 - n : n;
    for (int64_t r = 0; r < s.R; ++r) {
      for (int64_t i = 0; i < width; i += 16) __builtin_prefetch(x.base + t * x.token + r * x.r + i);
    }
  }
}

// Tokens [n0, n0 + tokens) in the order of the sweep; the reads are left in scratch->out [tokens, R, lanes padded].
HWY_INLINE void sweep_panel(const Sweep& s, int64_t n0, int64_t tokens, float* M, int64_t stride,
                            SweepScratch* scratch) {
  const Lanes d;
  const int64_t padded = sweep_padded(s.lanes, kLanes);
  const int64_t sign = s.reverse ? -1 : 1, first = s.reverse ? s.tokens - 1 - n0 : n0;
  SweepPanel p{};
  p.tokens = tokens, p.R = s.R;
  p.write = s.write.base + first * s.write.token, p.write_token = sign * s.write.token, p.write_r = s.write.r;
  p.read = s.from.base + first * s.from.token, p.read_token = sign * s.from.token, p.read_r = s.from.r;
  p.in = scratch->in, p.out = scratch->out;
  if (s.at != DecayAt::kNone) panel_decays(s, n0, &p, scratch);
  for (int64_t n = 0; n < tokens; ++n) {
    const int64_t t = first + sign * n;
    const Vec scale = hn::Set(d, s.in_scale ? s.in_scale[t * s.scale_token] : 1.0f);
    for (int64_t r = 0; r < s.R; ++r) {
      const float* from = s.in.base + t * s.in.token + r * s.in.r;
      for (int64_t l = 0; l < padded; l += kLanes) {
        const Vec x = load_channels(from + l, HWY_MIN(kLanes, s.lanes - l));
        hn::Store(hn::Mul(scale, x), d, scratch->in + (n * s.R + r) * padded + l);
        hn::Store(hn::Zero(d), d, scratch->out + (n * s.R + r) * padded + l);
      }
    }
  }
  if (padded > kLanes) return sweep_reads<2>(p, s.read, s.at, s.rows, s.lanes, M, stride);
  sweep_reads<1>(p, s.read, s.at, s.rows, s.lanes, M, stride);
}

// A reverse sweep leaves the first token's decay to be applied at its end (not with kBefore, where each comes before
// its write).
HWY_INLINE void finish_sweep(const Sweep& s, float* M, int64_t stride, SweepScratch* scratch) {
  if (!s.reverse || s.read == Read::kBefore || s.at == DecayAt::kNone || s.tokens == 0) return;
  const int64_t width = s.at == DecayAt::kShared ? 1 : s.at == DecayAt::kRows ? s.rows : s.lanes;
  decays(false, s.g, width, scratch->factor, scratch->base);
  for (int64_t i = 0; i < s.rows; ++i) {
    for (int64_t l = 0; l < s.lanes; ++l) {
      const int64_t k = s.at == DecayAt::kShared ? 0 : s.at == DecayAt::kRows ? i : l;
      float& x = M[i * stride + l];
      x = scratch->base[k] * x + scratch->factor[k] * x;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
