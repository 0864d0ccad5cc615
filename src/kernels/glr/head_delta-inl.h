// Pieces of the chunked rank-1 kernels (WY form). In a chunk with decays a_t and S_t = diag(a_t) S_{t-1} + b_t w_t^T +
// s_t k_t v_t^T, w_t = c_t^T diag(a_t) S_{t-1}:
//   w_i = c_i^T G(i,0) S_0 + sum_{j<i} (c_i^T G(i,j) b_j) w_j + (c_i^T G(i,j) s_j k_j) v_j,   G(i,j) = diag(a_{j+1} ... a_i)
// and y_i likewise with q_i and j <= i. Decays enter as running products, all <= 1: nothing overflows, exp(-inf) is 0.
#if defined(HINDSCAN_GLR_HEAD_DELTA_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_DELTA_INL_H_
#undef HINDSCAN_GLR_HEAD_DELTA_INL_H_
#else
#define HINDSCAN_GLR_HEAD_DELTA_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_delta_work.h"
#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using ::hindscan::kernels::HWY_NAMESPACE::vexp;

using DeltaTag = hn::CappedTag<float, kDeltaRound>;
using DeltaVec = hn::VFromD<DeltaTag>;
constexpr int64_t kDeltaLanes = HWY_MIN(kDeltaRound, HWY_LANES(float));
constexpr int kDeltaRows = kDeltaLanes == 16 ? 8 : 4;  // of a register block of two vectors

enum class Start : uint8_t { kZero, kAdd, kScaled };  // C = , C +=, C = scale[row] C +

// C [Rows, Vecs vectors] from A [Rows, K] (element m, k at m rs + k cs) times B [K, ldb].
template <int Rows, int Vecs>
HWY_INLINE void product_block(int64_t K, const float* A, int64_t rs, int64_t cs, const float* B, int64_t ldb, float* C,
                              int64_t ldc, Start start, const float* scale) {
  const DeltaTag d;
  DeltaVec acc[Rows][Vecs];
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) {
      if (start == Start::kZero) {
        acc[m][n] = hn::Zero(d);
      } else {
        acc[m][n] = hn::LoadU(d, C + m * ldc + n * kDeltaLanes);
        if (start == Start::kScaled) acc[m][n] = hn::Mul(acc[m][n], hn::Set(d, scale[m]));
      }
    }
  }
  for (int64_t k = 0; k < K; ++k, B += ldb, A += cs) {
    DeltaVec b[Vecs];
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) b[n] = hn::LoadU(d, B + n * kDeltaLanes);
#pragma GCC unroll 16
    for (int m = 0; m < Rows; ++m) {
      const DeltaVec x = hn::Set(d, A[m * rs]);
#pragma GCC unroll 4
      for (int n = 0; n < Vecs; ++n) acc[m][n] = hn::MulAdd(x, b[n], acc[m][n]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) hn::StoreU(acc[m][n], d, C + m * ldc + n * kDeltaLanes);
  }
}

// C [M, N] with M and N multiples of kDeltaRound.
HWY_INLINE void product(int64_t M, int64_t N, int64_t K, const float* A, int64_t rs, int64_t cs, const float* B, int64_t ldb,
                        float* C, int64_t ldc, Start start, const float* scale = nullptr) {
  int64_t n = 0;
  const auto columns = [&](auto vecs) HWY_ATTR {
    for (int64_t m = 0; m < M; m += kDeltaRows) {
      product_block<kDeltaRows, decltype(vecs)::value>(K, A + m * rs, rs, cs, B + n, ldb, C + m * ldc + n, ldc, start,
                                                       scale ? scale + m : nullptr);
    }
  };
  for (; n + 2 * kDeltaLanes <= N; n += 2 * kDeltaLanes) columns(std::integral_constant<int, 2>());
  for (; n < N; n += kDeltaLanes) columns(std::integral_constant<int, 1>());
}

HWY_INLINE void copy_row(const float* from, int64_t count, float* to, int64_t padded) {
  std::copy_n(from, count, to);
  std::fill(to + count, to + padded, 0.0f);
}

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

// Fills a, reads, writes of tokens [t0, t0 + n).
HWY_INLINE void load_chunk(const DeltaHead& head, int64_t t0, int64_t n, DeltaChunk& w) {
  const int64_t K = head.d.K, Kp = w.Kp;
  w.n = n;
  for (int64_t i = 0; i < kDeltaChunk; ++i) {
    float *a = w.a + i * Kp, *q = w.reads + i * Kp, *c = q + kDeltaChunk * Kp, *b = w.writes + i * Kp, *k = b + kDeltaChunk * Kp;
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
    if (!head.c.s) continue;
    const float s = head.c.s[head.head_at(t)];
    for (int64_t m = 0; m < K; ++m) k[m] *= s;
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

// One vector of writing tokens j0 .. j0 + lanes, decayed on from reading token to reading token: scores and end.
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
        const DeltaVec oldb = hn::Mul(hn::LoadU(d, end), decay), oldk = hn::Mul(hn::LoadU(d, end + C), decay);
        const DeltaVec newb = hn::IfThenElse(now, hn::Set(d, b[k]), oldb), newk = hn::IfThenElse(now, hn::Set(d, sk[k]), oldk);
        cb = hn::MulAdd(check, oldb, cb), ck = hn::MulAdd(check, oldk, ck);
        qb = hn::MulAdd(query, newb, qb), qk = hn::MulAdd(query, newk, qk);
        hn::StoreU(newb, d, end), hn::StoreU(newk, d, end + C);
      }
    }
    hn::StoreU(qb, d, qrow), hn::StoreU(qk, d, qrow + C), hn::StoreU(cb, d, crow), hn::StoreU(ck, d, crow + C);
  }
}

// Everything that follows from the coefficients alone.
HWY_INLINE void prepare_chunk(const DeltaHead& head, int64_t t0, int64_t n, DeltaChunk& w) {
  load_chunk(head, t0, n, w);
  decay_reads(w);
  for (int64_t j = 0; j < kDeltaChunk; j += kDeltaLanes) score_lanes(w, j);
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

// acc + the score row over the writes j < count times [w; v].
HWY_INLINE DeltaVec read_writes(const float* row, int64_t count, const float* WV, int64_t Vp, DeltaVec acc) {
  const DeltaTag d;
  DeltaVec other = hn::Zero(d);
  for (int64_t j = 0; j < count; ++j) {
    other = hn::MulAdd(hn::Set(d, row[kDeltaChunk + j]), hn::LoadU(d, WV + (kDeltaChunk + j) * Vp), other);
    acc = hn::MulAdd(hn::Set(d, row[j]), hn::LoadU(d, WV + j * Vp), acc);
  }
  return hn::Add(acc, other);
}

// w from its right hand side YE[C..] by forward substitution, and (outputs) y into YE[..C]. v is in WV[C..].
HWY_INLINE void solve_chunk(DeltaChunk& w, bool outputs) {
  const DeltaTag d;
  const int64_t C = kDeltaChunk, Vp = w.Vp;
  for (int64_t m = 0; m < Vp; m += kDeltaLanes) {
    for (int64_t i = 0; i < C; ++i) {
      const float* row = w.scores + (C + i) * kDeltaPair;
      const DeltaVec e = hn::LoadU(d, w.YE + (C + i) * Vp + m);
      hn::StoreU(read_writes(row, i, w.WV + m, Vp, e), d, w.WV + i * Vp + m);
      if (!outputs) continue;
      const DeltaVec y = hn::LoadU(d, w.YE + i * Vp + m);
      hn::StoreU(read_writes(w.scores + i * kDeltaPair, i + 1, w.WV + m, Vp, y), d, w.YE + i * Vp + m);
    }
  }
}

// S <- whole S + writes. Needs WV.
HWY_INLINE void advance_state(DeltaChunk& w) {
  product(w.Kp, w.Vp, kDeltaPair, w.end, kDeltaPair, 1, w.WV, w.Vp, w.S, w.Vp, Start::kScaled, w.whole);
}

// One prepared chunk whose v is in WV[C..]: w, y (outputs) and nothing of the state.
HWY_INLINE void read_chunk(DeltaChunk& w, bool outputs) {
  const int64_t first = outputs ? 0 : kDeltaChunk;
  product(kDeltaPair - first, w.Vp, w.Kp, w.reads0 + first * w.Kp, w.Kp, 1, w.S, w.Vp, w.YE + first * w.Vp, w.Vp, Start::kZero);
  solve_chunk(w, outputs);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
