// Pieces of the chunked scalar kernels. Entries n of a chunk are its tokens' reads or writes in order: token n / R.
#if defined(HINDSCAN_GLR_HEAD_SCALAR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_SCALAR_INL_H_
#undef HINDSCAN_GLR_HEAD_SCALAR_INL_H_
#else
#define HINDSCAN_GLR_HEAD_SCALAR_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_product-inl.h"
#include "kernels/glr/head_scalar.h"
#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// q [n, K], keys [K, row] = k^T and scores [n, row] = q k^T of one chunk of a group.
HWY_INLINE void load_scores(const HeadDims& d, const HeadCoeffs<float>& c, int64_t group, int64_t t0, int64_t n,
                            ScalarScratch* s) {
  const int64_t key_row = d.G * d.K;
  const float *q = c.q + t0 * d.R * key_row + group * d.K, *k = c.k + t0 * d.R * key_row + group * d.K;
  prefetch_chunk(q + n * key_row, key_row, n, d.K, t0 * d.R + 2 * n <= d.T * d.R);
  prefetch_chunk(k + n * key_row, key_row, n, d.K, t0 * d.R + 2 * n <= d.T * d.R);
  for (int64_t i = 0; i < n; ++i) std::copy_n(q + i * key_row, d.K, s->q + i * d.K);
  transpose(k, n, d.K, key_row, s->keys, s->row);
  product_lower(n, n, {{s->q, d.K, 1}, {s->keys, s->row}, d.K, Shape::kFull, d.R - 1}, s->scores, s->row);
}

// decay_matrix [n, row]: what token j's write has become when token i is read, j before i; zero elsewhere.
HWY_INLINE void decay_matrix(const ChunkDecays& decays, int64_t n, int64_t R, float* out, int64_t row) {
  const Lanes d;
  for (int64_t i = 0; i < n; ++i) {
    float* to = out + i * row;
    const int64_t token = i / R * R, since = HWY_MAX(int64_t{0}, decays.since[static_cast<size_t>(i)]);
    const Vec high = hn::Set(d, decays.read_high[static_cast<size_t>(i)]);
    const Vec low = hn::Set(d, decays.read_low[static_cast<size_t>(i)]);
    int64_t j = 0;
    for (; j < token; j += kLanes) {
      const Vec coarse = hn::Sub(high, hn::LoadU(d, decays.high.data() + j));
      const Vec fine = hn::Sub(low, hn::LoadU(d, decays.low.data() + j));
      hn::StoreU(kernels::HWY_NAMESPACE::vexp(hn::Add(coarse, fine)), d, to + j);
    }
    for (int64_t k = 0; k < HWY_MIN(since, token); ++k) to[k] = 0.0f;
    for (int64_t k = token; k < row; ++k) to[k] = 0.0f;
  }
}

HWY_INLINE void load_write(const HeadDims& dims, const HeadCoeffs<float>& c, int64_t h, int64_t t0, int64_t n,
                           ScalarScratch* s) {
  for (int64_t j = 0; j < n; ++j) s->write[j] = c.s ? c.s[(t0 + j / dims.R) * dims.H + h] : 1.0f;
}

// weights [n, row]: what multiplies v_j in y_i. current: weights [n, R] of the current token (not with kAfter) or null.
HWY_INLINE void decayed_scores(const HeadDims& dims, const HeadCoeffs<float>& c, int64_t n, const float* current,
                               ScalarScratch* s) {
  const Lanes d;
  const int64_t R = dims.R;
  decay_matrix(s->decays, n, R, s->weights, s->row);
  for (int64_t i = 0; i < n; ++i) {
    float *to = s->weights + i * s->row, *score = s->scores + i * s->row;
    const int64_t token = i / R * R;
    for (int64_t j = 0; j < token; j += kLanes) {
      const Vec w = hn::Mul(hn::LoadU(d, to + j), hn::LoadU(d, s->write + j));
      hn::StoreU(hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(token - j)), hn::Mul(w, hn::LoadU(d, score + j))),
                 d, to + j);
    }
    for (int64_t w = 0; w < R; ++w) {
      to[token + w] = c.read == Read::kAfter ? s->write[i] * score[token + w] : current ? current[i * R + w] : 0.0f;
    }
  }
}

// to [n, to_row] = scale[j] scale2[j] from [n, columns]; scale2 may be null.
HWY_INLINE void scale_rows(const float* from, int64_t row, int64_t n, int64_t count, const float* scale,
                           const float* scale2, float* to, int64_t to_row) {
  const Lanes d;
  for (int64_t j = 0; j < n; ++j) {
    const Vec s = hn::Set(d, scale2 ? scale[j] * scale2[j] : scale[j]);
    for (int64_t l = 0; l < count; l += kLanes) {
      hn::StoreU(hn::Mul(s, load_channels(from + j * row + l, HWY_MIN(kLanes, count - l))), d, to + j * to_row + l);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
