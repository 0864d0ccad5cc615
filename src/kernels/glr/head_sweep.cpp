// Sequential forward pass and value adjoint of diagonal transitions: tokens in order, the state in registers.
#include "kernels/glr/head_sweep.h"

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_current.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_sweep.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_sweep-inl.h"

#ifndef HINDSCAN_GLR_HEAD_SWEEP_ONCE
#define HINDSCAN_GLR_HEAD_SWEEP_ONCE
namespace hindscan::kernels::glr {

// Where the reads of a sweep go: to = scale out + sum_w current[w] raw_w, added or overwritten.
struct SweepOutput {
  Strided<float> to;
  bool add;
  const float* scale;    // per token, distance scale_token, or null
  const float* current;  // [T, R, R] current token's weights outside the state, or null
  bool transposed;       // weight of output r and input w is [w, r]
};

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

HWY_INLINE void store_panel(const Sweep& s, const SweepOutput& o, int64_t n0, int64_t tokens, const float* out) {
  const Lanes d;
  const int64_t padded = sweep_padded(s.lanes, kLanes);
  for (int64_t n = 0; n < tokens; ++n) {
    const int64_t t = s.reverse ? s.tokens - 1 - n0 - n : n0 + n;
    const Vec scale = hn::Set(d, o.scale ? o.scale[t * s.scale_token] : 1.0f);
    for (int64_t r = 0; r < s.R; ++r) {
      for (int64_t l = 0; l < s.lanes; l += kLanes) {
        const int64_t count = HWY_MIN(kLanes, s.lanes - l);
        Vec sum = hn::Mul(scale, hn::Load(d, out + (n * s.R + r) * padded + l));
        for (int64_t w = 0; o.current && w < s.R; ++w) {
          const float weight = o.current[(t * s.R + (o.transposed ? w : r)) * s.R + (o.transposed ? r : w)];
          const Vec raw = load_channels(s.in.base + t * s.in.token + w * s.in.r + l, count);
          sum = hn::MulAdd(hn::Set(d, weight), raw, sum);
        }
        float* to = o.to.base + t * o.to.token + r * o.to.r + l;
        if (o.add) sum = hn::Add(sum, load_channels(to, count));
        store_channels(sum, count, to);
      }
    }
  }
}

// Lanes [first, first + count) of one head; panels outside, so that the state crosses the cache once a panel.
void SweepHead(const Sweep& whole, const SweepOutput& output, int64_t first, int64_t count, float* M, int64_t stride,
               SweepScratch* scratch) {
  for (int64_t n = 0; n < whole.tokens; n += kSweepPanel) {
    const int64_t tokens = HWY_MIN(kSweepPanel, whole.tokens - n);
    prefetch_rows(whole, whole.write, n + kSweepPanel, whole.rows);
    prefetch_rows(whole, whole.from, n + kSweepPanel, whole.rows);
    if (whole.at == DecayAt::kRows) prefetch_rows(whole, {whole.g, whole.g_token, 0}, n + kSweepPanel, whole.rows);
    prefetch_rows(whole, {whole.in.base + first, whole.in.token, whole.in.r}, n + kSweepPanel, count);
    prefetch_rows(whole, {output.to.base + first, output.to.token, output.to.r}, n + kSweepPanel, count);
    for (int64_t l = first; l < first + count; l += kSweepLanes) {
      Sweep s = whole;
      SweepOutput o = output;
      s.in.base += l, o.to.base += l, s.lanes = HWY_MIN(kSweepLanes, first + count - l);
      sweep_panel(s, n, tokens, M + l, stride, scratch);
      store_panel(s, o, n, tokens, scratch->out);
    }
  }
  Sweep s = whole;
  s.lanes = count;
  finish_sweep(s, M + first, stride, scratch);
}

const char* HeadTarget() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(SweepHead);
HWY_EXPORT(HeadTarget);

// body(head, first lane, lanes, scratch) over all heads and pieces of V.
template <class Body>
void for_lane_pieces(const HeadDims& d, const Body& body) {
  constexpr int64_t kPiece = 32;
  const int64_t per_head = (d.V + kPiece - 1) / kPiece, pieces = d.H >= 4 ? 1 : per_head;  // whole heads share decays
  const int64_t width = (per_head + pieces - 1) / pieces * kPiece;
#pragma omp parallel if (d.H * pieces > 1 && d.T * d.H * d.K * d.V >= kParallelUpdates)
  {
    thread_local SweepScratch scratch;
    scratch.resize(d.R, d.K);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < d.H * pieces; ++i) {
      const int64_t first = i % pieces * width;
      if (first < d.V) body(i / pieces, first, std::min(width, d.V - first), &scratch);
    }
  }
}

DecayAt decay_at(const HeadCoeffs<float>& c) {
  if (c.decay == DecayShape::kNone) return DecayAt::kNone;
  return c.decay == DecayShape::kScalar ? DecayAt::kShared : DecayAt::kRows;
}

// Head h's forward sweep, or its reverse with dy in place of v.
Sweep value_sweep(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, bool reverse, const float* v) {
  const int64_t key = h / (d.H / d.G) * d.K, width = c.decay == DecayShape::kRow ? d.K : 1;
  const Strided<const float> q{c.q + key, d.R * d.G * d.K, d.G * d.K}, k{c.k + key, d.R * d.G * d.K, d.G * d.K};
  return {d.T,
          d.R,
          d.K,
          d.V,
          c.read,
          decay_at(c),
          reverse,
          c.g ? c.g + h * width : nullptr,
          d.H * width,
          reverse ? q : k,
          reverse ? k : q,
          {v + h * d.V, d.R * d.H * d.V, d.H * d.V},
          reverse || !c.s ? nullptr : c.s + h,
          d.H};
}

}  // namespace

const char* head_isa() { return HS_DISPATCH(HeadTarget)(); }

void diagonal_forward_head(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* current,
                           int64_t h, TileRange columns, float* S, float* y, SweepScratch* scratch) {
  const SweepOutput o{{y + h * d.V, d.R * d.H * d.V, d.H * d.V}, false, nullptr, current, false};
  HS_DISPATCH(SweepHead)
  (value_sweep(d, c, h, false, v), o, columns.begin, columns.end - columns.begin, S + h * d.K * d.V, d.V, scratch);
}

void diagonal_forward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y) {
  const std::vector<float> current = c.read == Read::kAfter ? std::vector<float>() : current_weights(d, c);
  for_lane_pieces(d, [&](int64_t h, int64_t first, int64_t lanes, SweepScratch* scratch) {
    const float* own = current.empty() ? nullptr : current.data() + h * d.T * d.R * d.R;
    diagonal_forward_head(d, c, v, own, h, {first, first + lanes}, S, y, scratch);
  });
}

void diagonal_value_adjoint(const HeadDims& d, const HeadCoeffs<float>& c, const float* dy, float* dS, float* dv) {
  const std::vector<float> current = c.read == Read::kAfter ? std::vector<float>() : current_weights(d, c);
  for_lane_pieces(d, [&](int64_t h, int64_t first, int64_t lanes, SweepScratch* scratch) {
    const SweepOutput o{{dv + h * d.V, d.R * d.H * d.V, d.H * d.V},
                        true,
                        c.s ? c.s + h : nullptr,
                        current.empty() ? nullptr : current.data() + h * d.T * d.R * d.R,
                        true};
    HS_DISPATCH(SweepHead)
    (value_sweep(d, c, h, true, dy), o, first, lanes, dS + h * d.K * d.V, d.V, scratch);
  });
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
