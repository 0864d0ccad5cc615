// Pieces of the chunked rank-1 kernels (WY form). In a chunk with decays a_t and S_t = diag(a_t) S_{t-1} + b_t w_t^T +
// s_t k_t v_t^T, w_t = c_t^T diag(a_t) S_{t-1}:
//   w_i = c_i^T G(i,0) S_0 + sum_{j<i} (c_i^T G(i,j) b_j) w_j + (c_i^T G(i,j) s_j k_j) v_j,   G(i,j) = diag(a_{j+1} ...
//   a_i)
// and y_i likewise with q_i and j <= i. Decays enter as running products, all <= 1: nothing overflows, exp(-inf) is 0.
#if defined(HINDSCAN_GLR_HEAD_DELTA_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_DELTA_INL_H_
#undef HINDSCAN_GLR_HEAD_DELTA_INL_H_
#else
#define HINDSCAN_GLR_HEAD_DELTA_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "kernels/glr/head_delta_products-inl.h"
#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
using ::hindscan::kernels::HWY_NAMESPACE::vexp;

// a_t [K] = exp g_t, ones beyond.
HWY_INLINE void load_decay(const DeltaHead& head, int64_t t, float* a, int64_t padded) {
  const DeltaTag d;
  const int64_t K = head.d.K;
  if (head.c.decay == DecayShape::kRow) {
    copy_row(head.c.g + head.row_at(t), K, a, padded);
    for (int64_t k = 0; k < padded; k += kDeltaLanes) hn::StoreU(vexp(hn::LoadU(d, a + k)), d, a + k);
    return;
  }
  const float one = head.c.decay == DecayShape::kScalar
                        ? hn::GetLane(vexp(hn::Set(hn::CappedTag<float, 1>(), head.c.g[head.head_at(t)])))
                        : 1.0f;
  std::fill(a, a + padded, one);
}

// The rows that the next chunk will load: they lie too far apart for the processor to guess.
HWY_INLINE void ask_for_rows(const DeltaHead& head, int64_t begin, int64_t end) {
  constexpr int64_t kLine = 16;
  const HeadCoeffs<float>& c = head.c;
  for (int64_t t = HWY_MAX(begin, int64_t{0}); t < HWY_MIN(end, head.d.T); ++t) {
    for (int64_t k = 0; k < head.d.K; k += kLine) {
      for (const float* row : {c.q + head.key_at(t), c.k + head.key_at(t)}) hwy::Prefetch(row + k);
      for (const float* row : {c.b + head.row_at(t), c.c + head.row_at(t)}) hwy::Prefetch(row + k);
      if (c.decay == DecayShape::kRow) hwy::Prefetch(c.g + head.row_at(t) + k);
    }
  }
}

HWY_INLINE bool opposite(const float* x, const float* y, int64_t padded) {
  const DeltaTag d;
  for (int64_t k = 0; k < padded; k += kDeltaLanes) {
    if (!hn::AllTrue(d, hn::Eq(hn::LoadU(d, x + k), hn::Neg(hn::LoadU(d, y + k))))) return false;
  }
  return true;
}

// Fills a, reads, writes of tokens [t0, t0 + n), and tied.
HWY_INLINE void load_chunk(const DeltaHead& head, int64_t t0, int64_t n, DeltaChunk& w) {
  const DeltaTag d;
  const int64_t K = head.d.K, Kp = w.Kp;
  w.n = n, w.tied = true;
  for (int64_t i = 0; i < kDeltaChunk; ++i) {
    float *a = w.a + i * Kp, *q = w.reads + i * Kp, *c = q + kDeltaChunk * Kp, *b = w.writes + i * Kp,
          *k = b + kDeltaChunk * Kp;
    if (i >= n) {
      std::fill(a, a + Kp, 1.0f);
      for (float* row : {q, c, b, k}) std::fill(row, row + Kp, 0.0f);
      continue;
    }
    const int64_t t = t0 + i;
    load_decay(head, t, a, Kp);
    copy_row(head.c.q + head.key_at(t), K, q, Kp);
    copy_row(head.c.c + head.row_at(t), K, c, Kp);
    copy_row(head.c.b + head.row_at(t), K, b, Kp);
    copy_row(head.c.k + head.key_at(t), K, k, Kp);
    const DeltaVec s = hn::Set(d, head.c.s ? head.c.s[head.head_at(t)] : 1.0f);
    for (int64_t m = 0; m < Kp; m += kDeltaLanes) hn::StoreU(hn::Mul(s, hn::LoadU(d, k + m)), d, k + m);
    w.tied = w.tied && opposite(b, k, Kp);
  }
}

// reads0 and whole.
HWY_INLINE void decay_reads(DeltaChunk& w) {
  const DeltaTag d;
  for (int64_t k = 0; k < w.Kp; k += kDeltaLanes) {
    DeltaVec p = hn::Set(d, 1.0f);
    for (int64_t i = 0; i < kDeltaChunk; ++i) {
      const int64_t at = i * w.Kp + k, second = at + kDeltaChunk * w.Kp;
      p = hn::Mul(p, hn::LoadU(d, w.a + at));
      hn::StoreU(hn::Mul(p, hn::LoadU(d, w.reads + at)), d, w.reads0 + at);
      hn::StoreU(hn::Mul(p, hn::LoadU(d, w.reads + second)), d, w.reads0 + second);
    }
    hn::StoreU(p, d, w.whole + k);
  }
}

// One vector of writing tokens j0 .. j0 + lanes, decayed on from reading token to reading token: scores and end. Tied:
// the part of b is left out.
template <bool kTied>
HWY_INLINE void score_lanes(DeltaChunk& w, int64_t j0) {
  const DeltaTag d;
  const int64_t Kp = w.Kp, C = kDeltaChunk;
  for (int64_t k = 0; k < Kp; ++k) {
    hn::StoreU(hn::Zero(d), d, w.end + k * kDeltaPair + j0);
    hn::StoreU(hn::Zero(d), d, w.end + k * kDeltaPair + C + j0);
  }
  const auto lane = hn::Iota(d, static_cast<float>(j0));
  for (int64_t i = 0; i < C; ++i) {
    float *qrow = w.scores + i * kDeltaPair + j0, *crow = qrow + C * kDeltaPair;
    DeltaVec qb = hn::Zero(d), qk = qb, cb = qb, ck = qb;
    if (i >= j0) {
      const float *a = w.a + i * Kp, *q = w.reads + i * Kp, *c = q + C * Kp, *b = w.writes + i * Kp, *sk = b + C * Kp;
      const auto now = hn::Eq(lane, hn::Set(d, static_cast<float>(i)));
      float* end = w.end + j0;
      for (int64_t k = 0; k < Kp; ++k, end += kDeltaPair) {
        const DeltaVec decay = hn::Set(d, a[k]), query = hn::Set(d, q[k]), check = hn::Set(d, c[k]);
        const DeltaVec oldk = hn::Mul(hn::LoadU(d, end + C), decay),
                       newk = hn::IfThenElse(now, hn::Set(d, sk[k]), oldk);
        ck = hn::MulAdd(check, oldk, ck), qk = hn::MulAdd(query, newk, qk);
        hn::StoreU(newk, d, end + C);
        if constexpr (!kTied) {
          const DeltaVec oldb = hn::Mul(hn::LoadU(d, end), decay), newb = hn::IfThenElse(now, hn::Set(d, b[k]), oldb);
          cb = hn::MulAdd(check, oldb, cb), qb = hn::MulAdd(query, newb, qb);
          hn::StoreU(newb, d, end);
        }
      }
    }
    hn::StoreU(qb, d, qrow), hn::StoreU(qk, d, qrow + C), hn::StoreU(cb, d, crow), hn::StoreU(ck, d, crow + C);
  }
}

// The same with one decay for all keys: plain products, and the decays as factors of the scores.
HWY_INLINE void score_products(DeltaChunk& w) {
  const DeltaTag d;
  const int64_t C = kDeltaChunk, first = w.tied ? C : 0;
  turn(w.writes + first * w.Kp, kDeltaPair - first, w.Kp, w.end + first, kDeltaPair);
  product(kDeltaPair, kDeltaPair - first, w.Kp, w.reads, w.Kp, 1, w.end + first, kDeltaPair, w.scores + first,
          kDeltaPair, Start::kZero);
  HWY_ALIGN float factor[kDeltaChunk] = {};  // of the writes j, at the reading token
  for (int64_t i = 0; i < C; ++i) {
    const float a = w.a[i * w.Kp];
    for (int64_t j = 0; j < C; ++j) factor[j] *= a;
    for (int64_t row : {C + i, i}) {  // c does not see its own token
      if (row == i) factor[i] = 1.0f;
      for (int64_t j = first; j < kDeltaPair; ++j) w.scores[row * kDeltaPair + j] *= factor[j % C];
    }
  }
  for (int64_t k = 0; k < w.Kp; ++k) {
    for (int64_t j = first; j < kDeltaPair; j += kDeltaLanes) {
      float* end = w.end + k * kDeltaPair + j;
      hn::StoreU(hn::Mul(hn::LoadU(d, end), hn::LoadU(d, factor + j % C)), d, end);
    }
  }
}

// Everything that follows from the coefficients alone. In the delta rules b = -s k, so that both writes are one, s k (v
// - w): a pass that only needs states takes them together.
HWY_INLINE void prepare_chunk(const DeltaHead& head, int64_t t0, int64_t n, bool may_tie, DeltaChunk& w) {
  load_chunk(head, t0, n, w);
  w.tied = w.tied && may_tie;
  decay_reads(w);
  if (head.c.decay != DecayShape::kRow) return score_products(w);
  for (int64_t j = 0; j < kDeltaChunk; j += kDeltaLanes) w.tied ? score_lanes<true>(w, j) : score_lanes<false>(w, j);
}

// Rows of values or of their adjoints [n, V] at stride H V into [C, Vp].
HWY_INLINE void load_values(const DeltaHead& head, const float* v, int64_t t0, int64_t n, int64_t Vp, float* to) {
  for (int64_t i = 0; i < kDeltaChunk; ++i) {
    if (i < n) {
      copy_row(v + head.value_at(t0 + i), head.d.V, to + i * Vp, Vp);
    } else {
      std::fill(to + i * Vp, to + (i + 1) * Vp, 0.0f);
    }
  }
}

// w from its right hand side YE[C..] by forward substitution, and (outputs) y into YE[..C]. v is in WV[C..].
template <int Vecs>
HWY_INLINE void solve_columns(DeltaChunk& w, bool outputs, int64_t m) {
  const int64_t C = kDeltaChunk, Vp = w.Vp;
  float *w_rows = w.WV + m, *v_rows = w_rows + C * Vp;
  for (int64_t i = 0; i < C; ++i) {
    const float *check = w.scores + (C + i) * kDeltaPair, *query = w.scores + i * kDeltaPair;
    auto e = Columns<Vecs>::load(w.YE + (C + i) * Vp + m), y = outputs ? Columns<Vecs>::load(w.YE + i * Vp + m) : e;
    for (int64_t j = 0; j < i; ++j) {
      const auto value = Columns<Vecs>::load(v_rows + j * Vp), earlier = Columns<Vecs>::load(w_rows + j * Vp);
      e.add(check[C + j], value), e.add(check[j], earlier);
      if (outputs) y.add(query[C + j], value), y.add(query[j], earlier);
    }
    e.store(w_rows + i * Vp);
    if (!outputs) continue;
    y.add(query[C + i], Columns<Vecs>::load(v_rows + i * Vp)), y.add(query[i], e);
    y.store(w.YE + i * Vp + m);
  }
}

// The same for tied writes: WV[C..] becomes v - w, the rest of WV is not used.
template <int Vecs>
HWY_INLINE void solve_tied(DeltaChunk& w, bool outputs, int64_t m) {
  const int64_t C = kDeltaChunk, Vp = w.Vp;
  float* write = w.WV + C * Vp + m;
  for (int64_t i = 0; i < C; ++i) {
    const float *check = w.scores + (C + i) * kDeltaPair + C, *query = w.scores + i * kDeltaPair + C;
    auto e = Columns<Vecs>::load(w.YE + (C + i) * Vp + m), y = outputs ? Columns<Vecs>::load(w.YE + i * Vp + m) : e;
    for (int64_t j = 0; j < i; ++j) {
      const auto earlier = Columns<Vecs>::load(write + j * Vp);
      e.add(check[j], earlier);
      if (outputs) y.add(query[j], earlier);
    }
    auto now = Columns<Vecs>::load(write + i * Vp);
    now.add(-1.0f, e);
    now.store(write + i * Vp);
    if (!outputs) continue;
    y.add(query[i], now);
    y.store(w.YE + i * Vp + m);
  }
}

HWY_INLINE void solve_chunk(DeltaChunk& w, bool outputs) {
  for_columns(w.Vp, [&](auto vecs, int64_t m) HWY_ATTR {
    w.tied ? solve_tied<decltype(vecs)::value>(w, outputs, m) : solve_columns<decltype(vecs)::value>(w, outputs, m);
  });
}

// S <- whole S + writes. Needs WV.
HWY_INLINE void advance_state(DeltaChunk& w) {
  const int64_t first = w.tied ? kDeltaChunk : 0;
  product(w.Kp, w.Vp, kDeltaPair - first, w.end + first, kDeltaPair, 1, w.WV + first * w.Vp, w.Vp, w.S, w.Vp,
          Start::kScaled, w.whole);
}

// One prepared chunk whose v is in WV[C..]: w, y (outputs) and nothing of the state.
HWY_INLINE void read_chunk(DeltaChunk& w, bool outputs) {
  const int64_t first = outputs ? 0 : kDeltaChunk;
  product(kDeltaPair - first, w.Vp, w.Kp, w.reads0 + first * w.Kp, w.Kp, 1, w.S, w.Vp, w.YE + first * w.Vp, w.Vp,
          Start::kZero);
  solve_chunk(w, outputs);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
