// Adjoint pieces of the chunked rank-1 kernels. With W = (I - Cb)^-1 (C S_0 + Ck V) the adjoint of w solves the
// transposed triangle, z = (I - Cb)^-T (...); then (y, w) are reads with adjoints (dy, z) of the writes (b, w) and (k,
// v).
#if defined(HINDSCAN_GLR_HEAD_DELTA_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_DELTA_BACKWARD_INL_H_
#undef HINDSCAN_GLR_HEAD_DELTA_BACKWARD_INL_H_
#else
#define HINDSCAN_GLR_HEAD_DELTA_BACKWARD_INL_H_
#endif

#include "kernels/glr/head_delta-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// Column j of the transposed triangles: z_j and dv_j from the reads i >= j.
template <int Vecs>
HWY_INLINE void solve_adjoint_columns(const DeltaChunk& w, DeltaAdjoint& x, int64_t m) {
  const int64_t C = kDeltaChunk, Vp = w.Vp;
  float *dy = x.dYZ + m, *z_rows = dy + C * Vp;
  for (int64_t j = C - 1; j >= 0; --j) {
    auto z = Columns<Vecs>::load(x.dwrites + j * Vp + m), dv = Columns<Vecs>::load(x.dwrites + (C + j) * Vp + m);
    const float *query = w.scores + j * kDeltaPair + j, *check = query + C * kDeltaPair;
    const auto own = Columns<Vecs>::load(dy + j * Vp);
    z.add(query[0], own), dv.add(query[C], own);
    for (int64_t i = C - 1; i > j; --i) {
      const int64_t at = (i - j) * kDeltaPair;
      const auto read = Columns<Vecs>::load(dy + i * Vp), later = Columns<Vecs>::load(z_rows + i * Vp);
      z.add(query[at], read), dv.add(query[at + C], read);
      z.add(check[at], later), dv.add(check[at + C], later);
    }
    z.store(z_rows + j * Vp);
    dv.store(x.dwrites + (C + j) * Vp + m);
  }
}

// z into dYZ[C..] and dv into dwrites[C..]; dy is in dYZ[..C]. Needs a prepared chunk and L, the adjoint of its last
// state.
HWY_INLINE void solve_adjoint(const DeltaChunk& w, DeltaAdjoint& x) {
  product(kDeltaPair, w.Vp, w.Kp, w.end, 1, kDeltaPair, x.L, w.Vp, x.dwrites, w.Vp, Start::kZero);
  for_columns(w.Vp, [&](auto vecs, int64_t m) HWY_ATTR { solve_adjoint_columns<decltype(vecs)::value>(w, x, m); });
}

// L <- adjoint of the state before the chunk.
HWY_INLINE void retreat_adjoint(const DeltaChunk& w, DeltaAdjoint& x) {
  product(w.Kp, w.Vp, kDeltaPair, w.reads0, 1, w.Kp, x.dYZ, w.Vp, x.L, w.Vp, Start::kScaled, w.whole);
}

// Adjoints of scores and of the decayed reads and writes at the chunk's ends: products over V. Needs w.S (the state
// before the chunk), w.WV, x.dYZ and x.L.
HWY_INLINE void product_adjoints(const DeltaChunk& w, DeltaAdjoint& x) {
  const int64_t Kp = w.Kp, Vp = w.Vp;
  turn(w.WV, kDeltaPair, Vp, x.WVT, kDeltaPair);
  turn(x.dYZ, kDeltaPair, Vp, x.dYZT, kDeltaPair);
  product(kDeltaPair, kDeltaPair, Vp, x.dYZ, Vp, 1, x.WVT, kDeltaPair, x.dscores, kDeltaPair, Start::kZero);
  product(Kp, kDeltaPair, Vp, w.S, Vp, 1, x.dYZT, kDeltaPair, x.turned, kDeltaPair, Start::kZero);
  turn(x.turned, Kp, kDeltaPair, x.dreads0, Kp);
  product(Kp, kDeltaPair, Vp, x.L, Vp, 1, x.WVT, kDeltaPair, x.turned, kDeltaPair, Start::kZero);
  turn(x.turned, Kp, kDeltaPair, x.dend, Kp);
}

// The part of dg that passes whole chunks: whole_k (S_0 L^T)_kk.
HWY_INLINE void through_adjoint(const DeltaChunk& w, DeltaAdjoint& x) {
  const DeltaTag d;
  for (int64_t k = 0; k < w.Kp; ++k) {
    DeltaVec sum = hn::Zero(d);
    for (int64_t m = 0; m < w.Vp; m += kDeltaLanes) {
      sum = hn::MulAdd(hn::LoadU(d, w.S + k * w.Vp + m), hn::LoadU(d, x.L + k * w.Vp + m), sum);
    }
    x.through[k] = w.whole[k] * hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

// dq, dc into dreads and the decays' part of every pair (i, j) into dg, for one vector of keys k. A decay at t sits
// between every write j < t and read i >= t: prefix sums over j, so nothing is ever subtracted.
HWY_INLINE void adjoint_of_reads(const DeltaChunk& w, DeltaAdjoint& x, int64_t k) {
  const DeltaTag d;
  const int64_t C = kDeltaChunk, Kp = w.Kp;
  DeltaVec keys[2 * kDeltaChunk], crossing[kDeltaChunk], p = hn::Set(d, 1.0f);
  const auto at = [&](const float* base, int64_t row) HWY_ATTR { return hn::LoadU(d, base + row * Kp + k); };
  for (int64_t i = 0; i < w.n; ++i) {
    const float *dq = x.dscores + i * kDeltaPair, *dc = dq + C * kDeltaPair;
    const DeltaVec a = at(w.a, i), q = at(w.reads, i), c = at(w.reads, C + i);
    DeltaVec sumq = hn::Zero(d), sumc = sumq, prefix = sumq;
    for (int64_t j = 0; j < i; ++j) {
      const DeltaVec b = hn::Mul(keys[j], a), key = hn::Mul(keys[C + j], a);
      keys[j] = b, keys[C + j] = key;
      const DeltaVec fromq = hn::MulAdd(hn::Set(d, dq[j]), b, hn::Mul(hn::Set(d, dq[C + j]), key));
      const DeltaVec fromc = hn::MulAdd(hn::Set(d, dc[j]), b, hn::Mul(hn::Set(d, dc[C + j]), key));
      sumq = hn::Add(sumq, fromq), sumc = hn::Add(sumc, fromc);
      prefix = hn::MulAdd(q, fromq, hn::MulAdd(c, fromc, prefix));
      crossing[j + 1] = j + 1 == i ? prefix : hn::Add(crossing[j + 1], prefix);
    }
    keys[i] = at(w.writes, i), keys[C + i] = at(w.writes, C + i);
    sumq = hn::MulAdd(hn::Set(d, dq[i]), keys[i], hn::MulAdd(hn::Set(d, dq[C + i]), keys[C + i], sumq));
    p = hn::Mul(p, a);
    const DeltaVec bq = hn::Mul(p, at(x.dreads0, i)), bc = hn::Mul(p, at(x.dreads0, C + i));
    hn::StoreU(hn::Add(sumq, bq), d, x.dreads + i * Kp + k);
    hn::StoreU(hn::Add(sumc, bc), d, x.dreads + (C + i) * Kp + k);
    hn::StoreU(hn::MulAdd(q, bq, hn::Mul(c, bc)), d, x.dg + i * Kp + k);
  }
  DeltaVec later = hn::LoadU(d, x.through + k);
  for (int64_t i = w.n - 1; i >= 0; --i) {
    later = hn::Add(later, at(x.dg, i));
    hn::StoreU(i > 0 ? hn::Add(later, crossing[i]) : later, d, x.dg + i * Kp + k);
  }
}

// db and the adjoint of s k into dkeys, and what passes from the writes to the chunk's end into dg.
HWY_INLINE void adjoint_of_writes(const DeltaChunk& w, DeltaAdjoint& x, int64_t k) {
  const DeltaTag d;
  const int64_t C = kDeltaChunk, Kp = w.Kp;
  DeltaVec reads[2 * kDeltaChunk], leaving[kDeltaChunk], p = hn::Set(d, 1.0f);
  const auto at = [&](const float* base, int64_t row) HWY_ATTR { return hn::LoadU(d, base + row * Kp + k); };
  for (int64_t j = w.n - 1; j >= 0; --j) {
    DeltaVec sumb = hn::Zero(d), sumk = sumb;
    if (j + 1 < w.n) {
      const DeltaVec a = at(w.a, j + 1);
      p = hn::Mul(p, a);
      for (int64_t i = j + 1; i < w.n; ++i) {
        const float *dq = x.dscores + i * kDeltaPair + j, *dc = dq + C * kDeltaPair;
        const DeltaVec q = hn::Mul(reads[i], a), c = hn::Mul(reads[C + i], a);
        reads[i] = q, reads[C + i] = c;
        sumb = hn::MulAdd(hn::Set(d, dq[0]), q, hn::MulAdd(hn::Set(d, dc[0]), c, sumb));
        sumk = hn::MulAdd(hn::Set(d, dq[C]), q, hn::MulAdd(hn::Set(d, dc[C]), c, sumk));
      }
    }
    reads[j] = at(w.reads, j), reads[C + j] = at(w.reads, C + j);
    const float* dq = x.dscores + j * kDeltaPair + j;
    const DeltaVec eb = hn::Mul(p, at(x.dend, j)), ek = hn::Mul(p, at(x.dend, C + j));
    hn::StoreU(hn::Add(hn::MulAdd(hn::Set(d, dq[0]), reads[j], sumb), eb), d, x.dkeys + j * Kp + k);
    hn::StoreU(hn::Add(hn::MulAdd(hn::Set(d, dq[C]), reads[j], sumk), ek), d, x.dkeys + (C + j) * Kp + k);
    leaving[j] = hn::MulAdd(at(w.writes, j), eb, hn::Mul(at(w.writes, C + j), ek));
  }
  DeltaVec earlier = hn::Zero(d);
  for (int64_t t = 1; t < w.n; ++t) {
    earlier = hn::Add(earlier, leaving[t - 1]);
    hn::StoreU(hn::Add(at(x.dg, t), earlier), d, x.dg + t * Kp + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
