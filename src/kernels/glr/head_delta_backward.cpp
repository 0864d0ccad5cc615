// Chunked adjoints of the rank-1 structure: the exact gradient with states kept per segment of chunks and recomputed
// between, and the value adjoint, which needs no state.
#include "kernels/dispatch.h"
#include "kernels/glr/head_delta.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_delta_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_delta_backward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
using ::hindscan::kernels::HWY_NAMESPACE::for_lanes;

HWY_INLINE void add_row(const float* from, int64_t count, float scale, float* to) {
  if (!to) return;
  for_lanes(count, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, scale), hn::LoadU(d, from + i), hn::LoadU(d, to + i)), d, to + i);
  });
}

// The sum of x [count, padded with zeros] times y (null: ones).
HWY_INLINE float padded_sum(const float* x, const float* y, int64_t padded) {
  const DeltaTag d;
  DeltaVec sum = hn::Zero(d);
  for (int64_t i = 0; i < padded; i += kDeltaLanes) {
    const DeltaVec in = hn::LoadU(d, x + i);
    sum = y ? hn::MulAdd(in, hn::LoadU(d, y + i), sum) : hn::Add(sum, in);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE float* offset(float* base, int64_t at) { return base ? base + at : nullptr; }

// The chunk's gradients into the caller's arrays.
HWY_INLINE void add_gradients(const DeltaHead& head, int64_t t0, const DeltaChunk& w, const DeltaAdjoint& x,
                              const HeadGrads<float>& g) {
  const int64_t C = kDeltaChunk, Kp = w.Kp, K = head.d.K;
  const HeadCoeffs<float>& c = head.c;
  for (int64_t i = 0; i < w.n; ++i) {
    const int64_t t = t0 + i;
    const float *dsk = x.dkeys + (C + i) * Kp, *dg = x.dg + i * Kp;
    add_row(x.dwrites + (C + i) * w.Vp, head.d.V, 1.0f, offset(g.dv, head.value_at(t)));
    add_row(x.dreads + i * Kp, K, 1.0f, offset(g.dq, head.key_at(t)));
    add_row(x.dreads + (C + i) * Kp, K, 1.0f, offset(g.dc, head.row_at(t)));
    add_row(x.dkeys + i * Kp, K, 1.0f, offset(g.db, head.row_at(t)));
    add_row(dsk, K, c.s ? c.s[head.head_at(t)] : 1.0f, offset(g.dk, head.key_at(t)));
    if (c.decay == DecayShape::kRow) add_row(dg, K, 1.0f, offset(g.dg, head.row_at(t)));
    if (g.dg && c.decay == DecayShape::kScalar) g.dg[head.head_at(t)] += padded_sum(dg, nullptr, Kp);
    if (!g.ds || !c.s) continue;
    copy_row(c.k + head.key_at(t), K, x.turned, Kp);
    g.ds[head.head_at(t)] += padded_sum(dsk, x.turned, Kp);
  }
}

// Moves w.S over the chunk of tokens [t0, t0 + n).
HWY_INLINE void pass_chunk(const DeltaHead& head, const float* v, int64_t t0, int64_t n, DeltaChunk& w) {
  prepare_chunk(head, t0, n, true, w);
  ask_for_rows(head, t0 + n, t0 + 2 * n);
  load_values(head, v, t0, n, w.Vp, w.WV + kDeltaChunk * w.Vp);
  read_chunk(w, false);
  advance_state(w);
}

// memory: the chunk, its adjoint, and [kept, Kp, Vp] states: one per segment, then one per chunk of a segment.
void DeltaBackwardHead(const DeltaHead& head, const float* v, const float* S0, const float* dy,
                       const HeadGrads<float>& g, float* memory) {
  const int64_t T = head.d.T, K = head.d.K, V = head.d.V, C = kDeltaChunk, tokens = delta_segment(head.d) * C;
  DeltaChunk w(head.d, memory);
  const int64_t state = w.Kp * w.Vp, segments = (T + tokens - 1) / tokens;
  DeltaAdjoint x(w.Kp, w.Vp, memory + DeltaChunk::size(w.Kp, w.Vp));
  float* kept = memory + DeltaChunk::size(w.Kp, w.Vp) + DeltaAdjoint::size(w.Kp, w.Vp);
  float *states = kept + segments * state, *adjoint = g.dS + head.h * K * V;
  copy_in(adjoint, K, V, x.L, w.Kp, w.Vp);
  if (segments > 0) copy_in(S0 + head.h * K * V, K, V, kept, w.Kp, w.Vp);
  for (int64_t s = 0; s + 1 < segments; ++s) {
    w.S = kept + (s + 1) * state;
    std::copy_n(kept + s * state, state, w.S);
    for (int64_t t = s * tokens; t < (s + 1) * tokens; t += C) pass_chunk(head, v, t, C, w);
  }
  for (int64_t s = segments - 1; s >= 0; --s) {
    const int64_t begin = s * tokens, end = HWY_MIN(T, begin + tokens), chunks = (end - begin + C - 1) / C;
    std::copy_n(kept + s * state, state, states);
    for (int64_t k = 0; k + 1 < chunks; ++k) {
      w.S = states + (k + 1) * state;
      std::copy_n(w.S - state, state, w.S);
      pass_chunk(head, v, begin + k * C, C, w);
    }
    for (int64_t k = chunks - 1; k >= 0; --k) {
      const int64_t t0 = begin + k * C, n = HWY_MIN(C, end - t0);
      w.S = states + k * state;
      prepare_chunk(head, t0, n, false, w);
      ask_for_rows(head, t0 - C, t0);
      load_values(head, v, t0, n, w.Vp, w.WV + C * w.Vp);
      read_chunk(w, false);
      load_values(head, dy, t0, n, w.Vp, x.dYZ);
      solve_adjoint(w, x);
      product_adjoints(w, x);
      through_adjoint(w, x);
      for (int64_t m = 0; m < w.Kp; m += kDeltaLanes) {
        adjoint_of_reads(w, x, m);
        adjoint_of_writes(w, x, m);
      }
      add_gradients(head, t0, w, x, g);
      retreat_adjoint(w, x);
    }
  }
  copy_out(x.L, w.Vp, K, V, adjoint);
}

void DeltaValueAdjointHead(const DeltaHead& head, const float* dy, float* dS, float* dv, float* memory) {
  const int64_t T = head.d.T, K = head.d.K, V = head.d.V, C = kDeltaChunk;
  DeltaChunk w(head.d, memory);
  DeltaAdjoint x(w.Kp, w.Vp, memory + DeltaChunk::size(w.Kp, w.Vp));
  float* adjoint = dS + head.h * K * V;
  copy_in(adjoint, K, V, x.L, w.Kp, w.Vp);
  for (int64_t t0 = (T - 1) / C * C; t0 >= 0; t0 -= C) {
    const int64_t n = HWY_MIN(C, T - t0);
    prepare_chunk(head, t0, n, false, w);
    ask_for_rows(head, t0 - C, t0);
    load_values(head, dy, t0, n, w.Vp, x.dYZ);
    solve_adjoint(w, x);
    for (int64_t i = 0; i < n; ++i) add_row(x.dwrites + (C + i) * w.Vp, V, 1.0f, dv + head.value_at(t0 + i));
    retreat_adjoint(w, x);
  }
  copy_out(x.L, w.Vp, K, V, adjoint);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(DeltaBackwardHead);
HWY_EXPORT(DeltaValueAdjointHead);

}  // namespace

void delta_backward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0,
                            const float* dy, const HeadGrads<float>& grads) {
  if (!delta_chunked_exists(d, c)) return reference::backward(d, c, v, S0, dy, grads);
  const auto kernel = HS_DISPATCH(DeltaBackwardHead);
  const int64_t Kp = delta_round(d.K), Vp = delta_round(d.V), segment = delta_segment(d);
  const int64_t tokens = segment * kDeltaChunk, states = (d.T + tokens - 1) / tokens + segment;
  const size_t size = static_cast<size_t>(DeltaChunk::size(Kp, Vp) + DeltaAdjoint::size(Kp, Vp) + states * Kp * Vp);
  for_delta_heads(d, true, [&](int64_t h) {
    const auto memory = hwy::AllocateAligned<float>(size);
    (*kernel)(DeltaHead{d, c, h}, v, S0, dy, grads, memory.get());
  });
}

// Token by token nothing is gained over the chunks: a gradient always runs through them.
void delta_backward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0, const float* dy,
                    const HeadGrads<float>& grads) {
  delta_backward_chunked(d, c, v, S0, dy, grads);
}

void delta_value_adjoint(const HeadDims& d, const HeadCoeffs<float>& c, const float* dy, float* dS, float* dv) {
  if (!delta_chunked_exists(d, c)) return reference::value_adjoint(d, c, dy, dS, dv);
  const auto kernel = HS_DISPATCH(DeltaValueAdjointHead);
  const int64_t Kp = delta_round(d.K), Vp = delta_round(d.V);
  const size_t size = static_cast<size_t>(DeltaChunk::size(Kp, Vp) + DeltaAdjoint::size(Kp, Vp));
  for_delta_heads(d, false, [&](int64_t h) {
    const auto memory = hwy::AllocateAligned<float>(size);
    (*kernel)(DeltaHead{d, c, h}, dy, dS, dv, memory.get());
  });
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
