// Gradients of q, k and the decays of diagonal transitions: two sweeps of the transposed state of one head.
#if defined(HINDSCAN_GLR_HEAD_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_BACKWARD_INL_H_
#undef HINDSCAN_GLR_HEAD_BACKWARD_INL_H_
#else
#define HINDSCAN_GLR_HEAD_BACKWARD_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_backward.h"
#include "kernels/glr/head_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// One head's key channels [first, first + count).
struct KeyBlock {
  const KeyTask& task;
  int64_t h, first, count, block, blocks;

  const HeadDims& d() const { return task.d; }
  const HeadCoeffs<float>& c() const { return task.c; }
  int64_t key_at(int64_t t, int64_t r) const { return ((t * d().R + r) * d().G + h / (d().H / d().G)) * d().K + first; }
  float* sum(int which) const { return task.sums + ((h * blocks + block) * 3 + which) * d().T; }
  Read read() const { return c().read == Read::kAfter ? Read::kDecayed : c().read; }
  bool wants_dg() const { return task.grads.dg && c().decay != DecayShape::kNone; }

  // Weight of q k in the current token's own read, at lane l.
  Vec current(int64_t t, int64_t l) const {
    const Lanes tag;
    if (c().read == Read::kAfter) return hn::Set(tag, c().s ? c().s[t * d().H + h] : 1.0f);
    if (!c().u) return hn::Zero(tag);
    if (c().read == Read::kDecayed) return hn::Set(tag, c().u[t * d().H + h]);
    return load_channels(c().u + h * d().K + first + l, HWY_MIN(kLanes, count - l));
  }
};

HWY_INLINE Sweep key_sweep(const KeyBlock& b, bool reverse) {
  const HeadDims& d = b.d();
  const HeadCoeffs<float>& c = b.c();
  const Strided<const float> v{b.task.v + b.h * d.V, d.R * d.H * d.V, d.H * d.V};
  const Strided<const float> dy{b.task.dy + b.h * d.V, d.R * d.H * d.V, d.H * d.V};
  const int64_t key_r = d.G * d.K, width = c.decay == DecayShape::kRow ? d.K : 1;
  const DecayAt at = c.decay == DecayShape::kNone     ? DecayAt::kNone
                     : c.decay == DecayShape::kScalar ? DecayAt::kShared
                                                      : DecayAt::kLanes;
  const float* g = c.g ? c.g + b.h * width + (at == DecayAt::kLanes ? b.first : 0) : nullptr;
  return {d.T,
          d.R,
          d.V,
          b.count,
          b.read(),
          at,
          reverse,
          g,
          d.H * width,
          reverse ? dy : v,
          reverse ? v : dy,
          {(reverse ? c.q : c.k) + b.key_at(0, 0), d.R * key_r, key_r},
          reverse || !c.s ? nullptr : c.s + b.h,
          d.H};
}

// x[t, r, lanes] += scale state + sum_w weight dots y[t, w, lanes]; returns nothing when x is null.
HWY_INLINE void add_key_gradient(const KeyBlock& b, int64_t t, int64_t r, bool of_q, Vec state, int64_t l, float* x) {
  const Lanes d;
  if (!x) return;
  const int64_t W = b.d().R, count = HWY_MIN(kLanes, b.count - l);
  const float* dots = b.task.token_dots + (b.h * b.d().T + t) * W * W;
  const Vec weight = b.current(t, l);
  for (int64_t w = 0; w < W; ++w) {
    const Vec other = load_channels((of_q ? b.c().k : b.c().q) + b.key_at(t, w) + l, count);
    const Vec dot = hn::Set(d, of_q ? dots[r * W + w] : dots[w * W + r]);
    state = hn::MulAdd(hn::Mul(weight, dot), other, state);
  }
  add_channels(state, count, x + b.key_at(t, r) + l);
}

void query_pass(const KeyBlock& b, SweepScratch* sweep, KeyScratch* s) {
  const Lanes d;
  const int64_t T = b.d().T, W = b.d().R, V = b.d().V, padded = sweep_padded(b.count, kLanes);
  const Sweep pass = key_sweep(b, false);
  for (int64_t n = 0; n < T; n += kSweepPanel) {
    const int64_t tokens = HWY_MIN(kSweepPanel, T - n);
    prefetch_rows(pass, pass.write, n + kSweepPanel, V);
    prefetch_rows(pass, pass.from, n + kSweepPanel, V);
    prefetch_rows(pass, pass.in, n + kSweepPanel, b.count);
    sweep_panel(pass, n, tokens, s->S.data(), kSweepLanes, sweep);
    if (b.wants_dg()) std::copy(s->S.begin(), s->S.end(), s->kept.begin() + n / kSweepPanel * V * kSweepLanes);
    for (int64_t t = n; t < n + tokens; ++t) {
      for (int64_t l = 0; l < b.count; l += kLanes) {
        Vec reads = hn::Zero(d);
        for (int64_t r = 0; r < W; ++r) {
          const Vec dq = hn::Load(d, sweep->out + ((t - n) * W + r) * padded + l);
          const Vec q = load_channels(b.c().q + b.key_at(t, r) + l, HWY_MIN(kLanes, b.count - l));
          reads = hn::MulAdd(q, dq, reads);
          add_key_gradient(b, t, r, true, dq, l, b.task.grads.dq);
        }
        hn::StoreU(reads, d, s->reads.data() + t * kSweepLanes + l);
      }
    }
  }
}

// F at the end of the panel of the tokens before `end`: rows of <S, L>, L with the decay of token `end`.
HWY_INLINE Vec state_dots(const KeyBlock& b, const Sweep& pass, int64_t end, int64_t l, const KeyScratch& s) {
  const Lanes d;
  const float* S = s.kept.data() + (end - 1) / kSweepPanel * b.d().V * kSweepLanes + l;
  Vec sum = hn::Zero(d);
  for (int64_t v = 0; v < b.d().V; ++v) {
    sum = hn::MulAdd(hn::LoadU(d, S + v * kSweepLanes), hn::LoadU(d, s.L.data() + v * kSweepLanes + l), sum);
  }
  if (end == b.d().T || pass.read == Read::kBefore) return sum;
  const float* g = pass.g + end * pass.g_token;
  const Vec log = pass.at == DecayAt::kShared ? hn::Set(d, *g) : load_channels(g + l, HWY_MIN(kLanes, b.count - l));
  return hn::Mul(sum, kernels::HWY_NAMESPACE::vexp(log));
}

// Gradients of token t's key channels l..: dk, and what the decay, s and u get. F as above.
HWY_INLINE void key_token(const KeyBlock& b, const Sweep& pass, int64_t t, int64_t l, const float* out, int64_t padded,
                          const KeyScratch& s, Vec* F) {
  const Lanes d;
  const HeadGrads<float>& grads = b.task.grads;
  const int64_t W = b.d().R, count = HWY_MIN(kLanes, b.count - l);
  const float* dots = b.task.token_dots + (b.h * b.d().T + t) * W * W;
  const float write = b.c().s ? b.c().s[t * b.d().H + b.h] : 1.0f;
  Vec keys = hn::Zero(d), own = hn::Zero(d);
  for (int64_t w = 0; w < W; ++w) {
    const Vec dk = hn::Load(d, out + w * padded + l), k = load_channels(b.c().k + b.key_at(t, w) + l, count);
    keys = hn::MulAdd(k, dk, keys);
    add_key_gradient(b, t, w, false, hn::Mul(hn::Set(d, write), dk), l, grads.dk);
    for (int64_t r = 0; r < W; ++r) {
      const Vec q = load_channels(b.c().q + b.key_at(t, r) + l, count);
      own = hn::MulAdd(hn::Mul(q, k), hn::Set(d, dots[r * W + w]), own);
    }
  }
  const auto add_sum = [&](int which, Vec x) HWY_ATTR { b.sum(which)[t] += hn::GetLane(hn::SumOfLanes(d, x)); };
  if (grads.ds) add_sum(1, b.c().read == Read::kAfter ? hn::Add(keys, own) : keys);
  if (grads.du && b.c().read == Read::kDecayed) add_sum(2, own);
  if (grads.du && b.c().read == Read::kBefore) add_channels(own, count, grads.du + b.h * b.d().K + b.first + l);
  if (!b.wants_dg()) return;
  const Vec reads = hn::LoadU(d, s.reads.data() + t * kSweepLanes + l);
  const float* g = pass.g + t * pass.g_token;
  const Vec log = pass.at == DecayAt::kShared ? hn::Set(d, *g) : load_channels(g + l, count);
  const auto forgets = hn::Lt(log, hn::Set(d, -1e30f));
  Vec dg = hn::NegMulAdd(hn::Set(d, write), keys, *F);
  if (pass.read == Read::kDecayed) dg = hn::Add(dg, reads);
  dg = hn::IfThenElse(forgets, hn::Zero(d), dg);
  *F = pass.read == Read::kBefore ? hn::Add(dg, reads) : dg;
  if (pass.at == DecayAt::kShared) return add_sum(0, dg);
  add_channels(dg, count, grads.dg + (t * b.d().H + b.h) * b.d().K + b.first + l);
}

void key_pass(const KeyBlock& b, SweepScratch* sweep, KeyScratch* s) {
  const Lanes d;
  const int64_t T = b.d().T, padded = sweep_padded(b.count, kLanes);
  const Sweep pass = key_sweep(b, true);
  for (int64_t end = T; end > 0;) {
    const int64_t begin = (end - 1) / kSweepPanel * kSweepPanel;
    prefetch_rows(pass, pass.write, T - begin, b.d().V);
    prefetch_rows(pass, pass.from, T - begin, b.d().V);
    prefetch_rows(pass, pass.in, T - begin, b.count);
    Vec F[2] = {hn::Zero(d), hn::Zero(d)};
    for (int64_t l = 0; b.wants_dg() && l < b.count; l += kLanes) F[l / kLanes] = state_dots(b, pass, end, l, *s);
    sweep_panel(pass, T - end, end - begin, s->L.data(), kSweepLanes, sweep);
    for (int64_t t = end - 1; t >= begin; --t) {
      const float* out = sweep->out + (end - 1 - t) * b.d().R * padded;
      for (int64_t l = 0; l < b.count; l += kLanes) key_token(b, pass, t, l, out, padded, *s, &F[l / kLanes]);
    }
    end = begin;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
