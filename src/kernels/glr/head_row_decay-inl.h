// Pieces of the chunked row kernels.
#if defined(HINDSCAN_GLR_HEAD_ROW_DECAY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_ROW_DECAY_INL_H_
#undef HINDSCAN_GLR_HEAD_ROW_DECAY_INL_H_
#else
#define HINDSCAN_GLR_HEAD_ROW_DECAY_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_product-inl.h"
#include "kernels/glr/head_row_decay.h"
#include "kernels/glr/head_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// Sums the log decays from token t0 on (two floats a sum) while every sum stays in range; the tokens summed.
HWY_INLINE int64_t sum_decays(const HeadDims& dims, const HeadCoeffs<float>& c, int64_t h, int64_t t0, RowScratch* s) {
  const Lanes d;
  const int64_t most = HWY_MIN(kRowChunk, dims.T - t0), wide = s->wide;
  for (int64_t t = 0; t < most; ++t) {
    const float* g = c.g + ((t0 + t) * dims.H + h) * dims.K;
    Vec least = hn::Zero(d);
    for (int64_t k = 0; k < dims.K; k += kLanes) {
      const Vec x = load_channels(g + k, HWY_MIN(kLanes, dims.K - k));
      const Vec high = hn::LoadU(d, s->high + t * wide + k), low = hn::LoadU(d, s->low + t * wide + k);
      const Vec sum = hn::Add(high, x), back = hn::Sub(sum, high);  // two-sum: what the addition rounded away
      const Vec error = hn::Add(hn::Sub(high, hn::Sub(sum, back)), hn::Sub(x, back));
      hn::StoreU(sum, d, s->high + (t + 1) * wide + k);
      hn::StoreU(hn::Add(low, error), d, s->low + (t + 1) * wide + k);
      least = hn::Min(least, sum);
    }
    if (!(hn::GetLane(hn::MinOfLanes(d, least)) >= -kRowRange)) return t;
  }
  return most;
}

HWY_INLINE void prefetch_row_chunk(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, int64_t t0) {
  const int64_t n = HWY_MIN(kRowChunk, d.T - t0), key_row = d.G * d.K, key = t0 * key_row + h / (d.H / d.G) * d.K;
  prefetch_chunk(c.q + key, key_row, n, d.K, true);
  prefetch_chunk(c.k + key, key_row, n, d.K, true);
  prefetch_chunk(c.g + (t0 * d.H + h) * d.K, d.H * d.K, n, d.K, true);
}

// e^G at the end of n tokens = base + factor, what the coarse float of G leaves out put into the factor.
HWY_INLINE void end_decay(int64_t n, RowScratch* s) {
  const Lanes d;
  decays(false, s->high + n * s->wide, s->wide, s->factor, s->base);
  for (int64_t k = 0; k < s->wide; k += kLanes) {
    const Vec factor = hn::LoadU(d, s->factor + k), whole = hn::Add(factor, hn::LoadU(d, s->base + k));
    hn::StoreU(hn::MulAdd(whole, hn::LoadU(d, s->low + n * s->wide + k), factor), d, s->factor + k);
  }
}

// q', k', keys and the decay of the whole chunk.
HWY_INLINE void load_row_chunk(const HeadDims& dims, const HeadCoeffs<float>& c, int64_t h, int64_t t0, int64_t n,
                               RowScratch* s) {
  const Lanes d;
  const int64_t K = dims.K, key_row = dims.G * K, first = t0 * key_row + h / (dims.H / dims.G) * K;
  for (int64_t t = 0; t < n; ++t) {
    const float *q = c.q + first + t * key_row, *k = c.k + first + t * key_row;
    const float *read = s->high + (c.read == Read::kBefore ? t : t + 1) * s->wide, *write = s->high + (t + 1) * s->wide;
    const int64_t low = s->low - s->high;
    const Vec one = hn::Set(d, 1.0f), weight = hn::Set(d, c.s ? c.s[(t0 + t) * dims.H + h] : 1.0f);
    for (int64_t i = 0; i < K; i += kLanes) {
      const int64_t count = HWY_MIN(kLanes, K - i);
      const Vec decay =
          hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::LoadU(d, read + i)), hn::Add(one, hn::LoadU(d, read + low + i)));
      const Vec growth = hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::Neg(hn::LoadU(d, write + i))),
                                 hn::Sub(one, hn::LoadU(d, write + low + i)));
      store_channels(hn::Mul(load_channels(q + i, count), decay), count, s->q + t * K + i);
      store_channels(hn::Mul(hn::Mul(weight, load_channels(k + i, count)), growth), count, s->k + t * K + i);
    }
  }
  transpose(s->k, n, K, K, s->keys, kRowChunk);
  end_decay(n, s);
}

// scores: q' k'^T below the diagonal, the current token's own weights on it (kAfter: q' k'^T), zeros above.
HWY_INLINE void row_scores(int64_t n, int64_t K, Read read, const float* current, RowScratch* s) {
  product_lower(n, n, {{s->q, K, 1}, {s->keys, kRowChunk}, K}, s->scores, kRowChunk);
  for (int64_t i = 0; i < n; ++i) {
    float* row = s->scores + i * kRowChunk;
    if (read != Read::kAfter) row[i] = current ? current[i] : 0.0f;
    for (int64_t j = i + 1; j < HWY_MIN(kRowChunk, i / kProductRows * kProductRows + kProductRows); ++j) row[j] = 0.0f;
  }
}

// S [K, columns] <- e^G (S + k'^T v)
HWY_INLINE void advance_rows(int64_t n, int64_t K, int64_t columns, const float* v, int64_t value_row,
                             const RowScratch& s, float* S, int64_t ld) {
  product_sum(K, columns, {{s.keys, kRowChunk, 1}, {v, value_row}, n}, nullptr, {}, true, S, ld);
  const Lanes d;
  for (int64_t k = 0; k < K; ++k) {
    const Vec base = hn::Set(d, s.base[k]), factor = hn::Set(d, s.factor[k]);
    for (int64_t l = 0; l < columns; l += kLanes) {
      float* at = S + k * ld + l;
      const Vec x = load_channels(at, HWY_MIN(kLanes, columns - l));
      store_channels(hn::MulAdd(factor, x, hn::Mul(base, x)), HWY_MIN(kLanes, columns - l), at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
