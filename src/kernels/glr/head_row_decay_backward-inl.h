// Pieces of the chunked gradient of row transitions: one chunk of one head.
#if defined(HINDSCAN_GLR_HEAD_ROW_DECAY_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_ROW_DECAY_BACKWARD_INL_H_
#undef HINDSCAN_GLR_HEAD_ROW_DECAY_BACKWARD_INL_H_
#else
#define HINDSCAN_GLR_HEAD_ROW_DECAY_BACKWARD_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_row_decay-inl.h"
#include "kernels/glr/head_row_decay_backward.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

struct RowChunkBackward {
  const RowBackwardTask& task;
  RowBackwardScratch& s;
  int64_t t0, n;

  const HeadDims& d() const { return task.d; }
  int64_t key_row() const { return d().G * d().K; }
  int64_t value_row() const { return d().H * d().V; }
  int64_t key_at(int64_t t) const { return (t0 + t) * key_row() + task.h / (d().H / d().G) * d().K; }
  int64_t value_at(int64_t t) const { return (t0 + t) * value_row() + task.h * d().V; }
  int64_t head_at(int64_t t) const { return (t0 + t) * d().H + task.h; }
  float write(int64_t t) const { return task.c.s ? task.c.s[head_at(t)] : 1.0f; }
};

// E, 1 / E, k' and w; with q' when `reads`.
HWY_NOINLINE void load_backward_chunk(const RowChunkBackward& c, bool reads) {
  const Lanes d;
  RowBackwardScratch& s = c.s;
  const int64_t K = c.d().K, low = s.low - s.high;
  sum_decays(c.d(), c.task.c, c.task.h, c.t0, &s);
  const Vec one = hn::Set(d, 1.0f);
  for (int64_t t = 0; t < c.n; ++t) {
    const float *read = s.high + (c.task.c.read == Read::kBefore ? t : t + 1) * s.wide,
                *write = s.high + (t + 1) * s.wide;
    const float *q = c.task.c.q + c.key_at(t), *k = c.task.c.k + c.key_at(t);
    for (int64_t i = 0; i < K; i += kLanes) {
      const int64_t count = HWY_MIN(kLanes, K - i);
      const Vec growth = hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::Neg(hn::LoadU(d, write + i))),
                                 hn::Sub(one, hn::LoadU(d, write + low + i)));
      hn::StoreU(growth, d, s.growth + t * s.wide + i);
      store_channels(hn::Mul(load_channels(k + i, count), growth), count, s.k + t * K + i);
      if (!reads) continue;
      const Vec decay =
          hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::LoadU(d, read + i)), hn::Add(one, hn::LoadU(d, read + low + i)));
      hn::StoreU(decay, d, s.decay + t * s.wide + i);
      store_channels(hn::Mul(load_channels(q + i, count), decay), count, s.q + t * K + i);
    }
    const Vec weight = hn::Set(d, c.write(t));
    for (int64_t l = 0; l < c.d().V; l += kLanes) {
      const Vec v = load_channels(c.task.v + c.value_at(t) + l, HWY_MIN(kLanes, c.d().V - l));
      hn::StoreU(hn::Mul(weight, v), d, s.w + t * s.columns + l);
    }
  }
  end_decay(c.n, &s);
}

// x [V, wide] <- decay of the chunk per lane, x.
HWY_INLINE void decay_lanes(const RowBackwardScratch& s, int64_t V, float* x) {
  const Lanes d;
  for (int64_t i = 0; i < V * s.wide; i += kLanes) {
    const Vec value = hn::LoadU(d, x + i), base = hn::LoadU(d, s.base + i % s.wide),
              factor = hn::LoadU(d, s.factor + i % s.wide);
    hn::StoreU(hn::MulAdd(factor, value, hn::Mul(base, value)), d, x + i);
  }
}

// Zeros on the diagonal and above, as far as blocks of rows reach.
HWY_INLINE void clear_above(int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) std::fill(x + i * kRowChunk + i, x + (i + 1) * kRowChunk, 0.0f);
}

// The current token's own read: kAfter s (q k) v, kDecayed u (q k) v, kBefore (q diag(u) k) v. Adds to every gradient.
HWY_NOINLINE void current_token(const RowChunkBackward& c, int64_t t) {
  const HeadCoeffs<float>& coeffs = c.task.c;
  const HeadGrads<float>& grads = c.task.grads;
  const int64_t K = c.d().K, V = c.d().V;
  if (coeffs.read != Read::kAfter && !coeffs.u) return;
  const float *q = coeffs.q + c.key_at(t), *k = coeffs.k + c.key_at(t);
  const float *v = c.task.v + c.value_at(t), *dy = c.task.dy + c.value_at(t);
  const float* u = coeffs.read == Read::kBefore ? coeffs.u + c.task.h * K : nullptr;
  const float shared = coeffs.read == Read::kAfter ? c.write(t) : u ? 1.0f : coeffs.u[c.head_at(t)];
  float dot[8] = {}, product[8] = {};
  for (int64_t i = 0; i < V; ++i) dot[i % 8] += v[i] * dy[i];
  for (int64_t i = 0; i < K; ++i) product[i % 8] += q[i] * k[i] * (u ? u[i] : 1.0f);
  float z = 0, p = 0;
  for (int i = 0; i < 8; ++i) z += dot[i], p += product[i];
  for (int64_t i = 0; i < K; ++i) {
    const float weight = z * shared * (u ? u[i] : 1.0f);
    if (grads.dq) grads.dq[c.key_at(t) + i] += weight * k[i];
    if (grads.dk) grads.dk[c.key_at(t) + i] += weight * q[i];
    if (grads.du && u) grads.du[c.task.h * K + i] += z * q[i] * k[i];
  }
  for (int64_t i = 0; grads.dv && i < V; ++i) grads.dv[c.value_at(t) + i] += shared * p * dy[i];
  if (grads.ds && coeffs.read == Read::kAfter) grads.ds[c.head_at(t)] += z * p;
  if (grads.du && coeffs.read == Read::kDecayed) grads.du[c.head_at(t)] += z * p;
}

// dq, dk and dg from the products; overwrites dk with the sums of k' dk over the tokens before.
HWY_NOINLINE void store_key_gradients(const RowChunkBackward& c) {
  const Lanes d;
  const RowBackwardScratch& s = c.s;
  const HeadGrads<float>& grads = c.task.grads;
  const int64_t K = c.d().K;
  const bool before = c.task.c.read == Read::kBefore;
  for (int64_t i = 0; i < K; i += kLanes) {
    const int64_t count = HWY_MIN(kLanes, K - i);
    Vec earlier = hn::Zero(d);
    for (int64_t t = 0; t < c.n; ++t) {
      const int64_t at = t * s.wide + i;
      const Vec through = hn::LoadU(d, s.dk + at), growth = hn::LoadU(d, s.growth + at);
      const Vec all = hn::Mul(growth, hn::Add(through, hn::LoadU(d, s.dk_in + at)));
      if (grads.dk) add_channels(all, count, grads.dk + c.key_at(t) + i);
      hn::StoreU(earlier, d, s.dk + at);
      earlier = hn::MulAdd(load_channels(s.k + t * K + i, count), through, earlier);
    }
    Vec sum = hn::LoadU(d, s.carried + i);  // everything but `earlier`
    for (int64_t t = c.n - 1; t >= 0; --t) {
      const int64_t at = t * s.wide + i;
      const Vec dq = hn::Add(hn::LoadU(d, s.dq + at), hn::LoadU(d, s.dq_in + at));
      if (grads.dq) add_channels(hn::Mul(hn::LoadU(d, s.decay + at), dq), count, grads.dq + c.key_at(t) + i);
      const Vec read = hn::Mul(load_channels(s.q + t * K + i, count), dq);
      if (!before) sum = hn::Add(sum, read);
      sum = hn::NegMulAdd(load_channels(s.k + t * K + i, count), hn::LoadU(d, s.dk_in + at), sum);
      if (grads.dg) add_channels(hn::Add(sum, hn::LoadU(d, s.dk + at)), count, grads.dg + c.head_at(t) * K + i);
      if (before) sum = hn::Add(sum, read);
    }
  }
}

HWY_NOINLINE void store_value_gradients(const RowChunkBackward& c) {
  const HeadGrads<float>& grads = c.task.grads;
  for (int64_t t = 0; t < c.n; ++t) {
    const float *dw = c.s.dw + t * c.s.columns, *v = c.task.v + c.value_at(t), weight = c.write(t);
    for (int64_t l = 0; grads.dv && l < c.d().V; ++l) grads.dv[c.value_at(t) + l] += weight * dw[l];
    if (!grads.ds) continue;
    float sums[8] = {};
    for (int64_t l = 0; l < c.d().V; ++l) sums[l % 8] += v[l] * dw[l];
    grads.ds[c.head_at(t)] += ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
}

HWY_NOINLINE void backward_chunk(const RowChunkBackward& c, const float* ST) {
  const Lanes d;
  RowBackwardScratch& s = c.s;
  const int64_t K = c.d().K, V = c.d().V, n = c.n, value_row = c.value_row();
  const float* dy = c.task.dy + c.value_at(0);
  float* L = c.task.grads.dS + c.task.h * K * V;
  load_backward_chunk(c, true);
  transpose(s.k, n, K, K, s.keys, kRowChunk);
  transpose(s.w, n, V, s.columns, s.turned, kRowChunk);
  product_lower(n, n, {{s.q, K, 1}, {s.keys, kRowChunk}, K}, s.scores, kRowChunk);
  product_lower(n, n, {{dy, value_row, 1}, {s.turned, kRowChunk}, V}, s.Z, kRowChunk);
  clear_above(n, s.scores);
  clear_above(n, s.Z);
  transpose(L, K, V, V, s.LT, s.wide);
  decay_lanes(s, V, s.LT);
  for (int64_t k = 0; k < K; ++k) {
    for (int64_t l = 0; l < V; ++l) L[k * V + l] = s.base[k] * L[k * V + l] + s.factor[k] * L[k * V + l];
  }
  for (int64_t i = 0; i < s.wide; i += kLanes) {
    Vec sum = hn::Zero(d);
    for (int64_t v = 0; v < V; ++v)
      sum = hn::MulAdd(hn::LoadU(d, ST + v * s.wide + i), hn::LoadU(d, s.LT + v * s.wide + i), sum);
    hn::StoreU(sum, d, s.carried + i);
  }
  product_sum(n, K, {{dy, value_row, 1}, {ST, s.wide}, V}, nullptr, {}, false, s.dq, s.wide);
  product_sum(n, K, {{s.Z, kRowChunk, 1}, {s.k, K}, n, Shape::kLower}, nullptr, {}, false, s.dq_in, s.wide);
  product_sum(n, K, {{s.w, s.columns, 1}, {s.LT, s.wide}, V}, nullptr, {}, false, s.dk, s.wide);
  product_sum(n, K, {{s.Z, 1, kRowChunk}, {s.q, K}, n, Shape::kUpper}, nullptr, {}, false, s.dk_in, s.wide);
  product_sum(n, V, {{s.k, K, 1}, {L, V}, K}, nullptr, {{s.scores, 1, kRowChunk}, {dy, value_row}, n, Shape::kUpper},
              false, s.dw, s.columns);
  product_sum(K, V, {{s.q, 1, K}, {dy, value_row}, n}, nullptr, {}, true, L, V);
  store_key_gradients(c);
  store_value_gradients(c);
  for (int64_t t = 0; t < n; ++t) current_token(c, t);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
