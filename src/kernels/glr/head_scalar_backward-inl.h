// Pieces of the chunked gradient of scalar transitions: one chunk of one head.
#if defined(HINDSCAN_GLR_HEAD_SCALAR_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_HEAD_SCALAR_BACKWARD_INL_H_
#undef HINDSCAN_GLR_HEAD_SCALAR_BACKWARD_INL_H_
#else
#define HINDSCAN_GLR_HEAD_SCALAR_BACKWARD_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/glr/head_scalar-inl.h"
#include "kernels/glr/head_scalar_backward.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// One chunk of one head: entries [0, n) from token t0.
struct ScalarChunk {
  const ScalarBackwardTask& task;
  ScalarBackwardScratch& s;
  int64_t h, t0, tokens, n;

  const HeadDims& d() const { return task.d; }
  int64_t value_row() const { return d().H * d().V; }
  int64_t value_at() const { return t0 * d().R * value_row() + h * d().V; }
  int64_t key_row() const { return d().G * d().K; }
  const float* k() const { return task.c.k + t0 * d().R * key_row() + task.group * d().K; }
};

HWY_INLINE float dot_row(const float* a, const float* b, int64_t n) {
  const Lanes d;
  Vec sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  if (i < n) sum = hn::MulAdd(load_channels(a + i, n - i), load_channels(b + i, n - i), sum);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// to [K] += weight x [K]
HWY_INLINE void add_row(const float* x, float weight, int64_t n, float* to) {
  const Lanes d;
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = HWY_MIN(kLanes, n - i);
    store_channels(hn::MulAdd(hn::Set(d, weight), load_channels(x + i, count), load_channels(to + i, count)), count,
                   to + i);
  }
}

HWY_NOINLINE void load_decays(const ScalarChunk& c) {
  const HeadCoeffs<float>& coeffs = c.task.c;
  chunk_decays(coeffs.g ? coeffs.g + c.t0 * c.d().H + c.h : nullptr, c.d().H, c.tokens, c.d().R, coeffs.read,
               &c.s.decays);
  load_write(c.d(), coeffs, c.h, c.t0, c.n, &c.s);
}

// E, Z, and the weights on them; leaves s E P Z in E for dg.
HWY_NOINLINE void chunk_weights(const ScalarChunk& c) {
  const Lanes d;
  ScalarBackwardScratch& s = c.s;
  const int64_t R = c.d().R, H = c.d().H, V = c.d().V;
  const Read read = c.task.c.read;
  const float* current = c.task.current ? c.task.current + (c.h * c.d().T + c.t0) * R * R : nullptr;
  transpose(c.task.v + c.value_at(), c.n, V, c.value_row(), s.turned, s.row);
  product_lower(c.n, c.n, {{c.task.dy + c.value_at(), c.value_row(), 1}, {s.turned, s.row}, V, Shape::kFull, R - 1},
                s.Z, s.row);
  decay_matrix(s.decays, c.n, R, s.E, s.row);
  for (int64_t i = 0; i < c.n; ++i) {
    const int64_t token = i / R * R, t = c.t0 + i / R;
    float *E = s.E + i * s.row, *WP = s.WP + i * s.row, *WZ = s.WZ + i * s.row;
    const float *P = s.scores + i * s.row, *Z = s.Z + i * s.row;
    for (int64_t j = 0; j < s.row; j += kLanes) {
      const auto seen = hn::FirstN(d, static_cast<size_t>(HWY_MAX(int64_t{0}, HWY_MIN(kLanes, token - j))));
      const Vec w = hn::Mul(hn::LoadU(d, E + j), hn::LoadU(d, s.write + j)), p = hn::LoadU(d, P + j),
                z = hn::LoadU(d, Z + j);
      const Vec wp = hn::IfThenElseZero(seen, hn::Mul(w, p));
      hn::StoreU(wp, d, WP + j);
      hn::StoreU(hn::IfThenElseZero(seen, hn::Mul(w, z)), d, WZ + j);
      hn::StoreU(hn::IfThenElseZero(seen, hn::Mul(wp, z)), d, E + j);
    }
    const float own = read == Read::kAfter                   ? s.write[i]
                      : read == Read::kDecayed && c.task.c.u ? c.task.c.u[t * H + c.h]
                                                             : 0.0f;
    for (int64_t w = token; w < token + R; ++w) {
      WP[w] = read == Read::kBefore ? (current ? current[i * R + w - token] : 0.0f) : own * P[w];
      WZ[w] = own * Z[w];
    }
  }
}

// kBefore: the current token's q diag(u) k, whose weight is a vector.
HWY_INLINE void vector_current(const ScalarChunk& c) {
  const HeadCoeffs<float>& coeffs = c.task.c;
  if (coeffs.read != Read::kBefore || !coeffs.u) return;
  const int64_t R = c.d().R, K = c.d().K;
  const float* u = coeffs.u + c.h * K;
  for (int64_t i = 0; i < c.n; ++i) {
    for (int64_t w = i / R * R; w < i / R * R + R; ++w) {
      const float z = c.s.Z[i * c.s.row + w], *q = c.s.q + i * K, *k = c.k() + w * c.key_row();
      for (int64_t x = 0; x < K; ++x) {
        c.s.dq[i * c.s.wide + x] += z * u[x] * k[x];
        c.s.dk[w * c.s.wide + x] += z * u[x] * q[x];
      }
      for (int64_t x = 0; c.task.grads.du && x < K; ++x) c.task.grads.du[c.h * K + x] += z * q[x] * k[x];
    }
  }
}

// Adds to dq [n, wide] and dk; fills from_state and to_state.
HWY_NOINLINE void chunk_keys(const ScalarChunk& c, const float* ST) {
  ScalarBackwardScratch& s = c.s;
  const int64_t K = c.d().K, V = c.d().V, slack = c.d().R - 1;
  product_sum(c.n, K, {{s.signal, s.columns, 1}, {ST, s.wide}, V}, nullptr, {}, false, s.through, s.wide);
  for (int64_t i = 0; i < c.n; ++i) {
    s.from_state[i] = dot_row(s.q + i * K, s.through + i * s.wide, K);
    add_row(s.through + i * s.wide, 1.0f, K, s.dq + i * s.wide);
  }
  product_sum(c.n, K, {}, nullptr, {{s.WZ, s.row, 1}, {c.k(), c.key_row()}, c.n, Shape::kLower, slack}, true, s.dq,
              s.wide);
  product_sum(c.n, K, {{c.task.v + c.value_at(), c.value_row(), 1}, {s.LT, s.wide}, V}, s.decays.to_end.data(), {},
              false, s.through, s.wide);
  for (int64_t j = 0; j < c.n; ++j) {
    s.to_state[j] = dot_row(c.k() + j * c.key_row(), s.through + j * s.wide, K);
    add_row(s.through + j * s.wide, s.write[j], K, s.dk + j * s.wide);
  }
  product_sum(c.n, K, {}, nullptr, {{s.WZ, 1, s.row}, {s.q, K}, c.n, Shape::kUpper, slack}, true, s.dk, s.wide);
  vector_current(c);
}

// to [row] = the sums of the columns of x [n, row].
HWY_INLINE void column_sums(const float* x, int64_t n, int64_t row, float* to) {
  const Lanes d;
  for (int64_t j = 0; j < row; j += kLanes) {
    Vec sum = hn::Zero(d);
    for (int64_t i = 0; i < n; ++i) sum = hn::Add(sum, hn::LoadU(d, x + i * row + j));
    hn::StoreU(sum, d, to + j);
  }
}

// Gradients of s and of a u that is one number a token. E holds s E P Z; where an s is 0, WZ is overwritten by E alone.
HWY_NOINLINE void chunk_write_gradients(const ScalarChunk& c) {
  const ScalarBackwardScratch& s = c.s;
  const HeadGrads<float>& grads = c.task.grads;
  const int64_t R = c.d().R, H = c.d().H;
  column_sums(s.E, c.n, s.row, s.pairs);
  if (grads.ds && std::count(s.write, s.write + c.n, 0.0f) > 0) decay_matrix(s.decays, c.n, R, s.WZ, s.row);
  for (int64_t j = 0; j < c.n; ++j) {
    const int64_t at = (c.t0 + j / R) * H + c.h, token = j / R * R;
    float own = 0, sum = s.pairs[j] / s.write[j];
    for (int64_t i = token; i < token + R; ++i) own += s.scores[i * s.row + j] * s.Z[i * s.row + j];
    if (s.write[j] == 0.0f) {
      sum = 0;
      for (int64_t k = (token + R) * s.row + j; k < c.n * s.row; k += s.row) sum += s.WZ[k] * s.scores[k] * s.Z[k];
    }
    if (grads.ds) grads.ds[at] += sum + s.to_state[j] + (c.task.c.read == Read::kAfter ? own : 0.0f);
    if (grads.du && c.task.c.read == Read::kDecayed) grads.du[at] += own;
  }
}

// dg of the chunk's tokens; carried: <S, L> over the whole chunk.
HWY_NOINLINE void chunk_decay_gradients(const ScalarChunk& c, float carried) {
  const Lanes d;
  ScalarBackwardScratch& s = c.s;
  const int64_t R = c.d().R, shift = c.task.c.read == Read::kBefore ? 1 : 0;
  std::fill_n(s.pairs, s.row, 0.0f);
  float later = 0;  // reads of the carried state from token t on
  float earlier = 0;
  for (int64_t j = 0; j < c.n; ++j) earlier += s.write[j] * s.to_state[j];  // writes before token t to the state after
  for (int64_t t = c.tokens - 1; t >= 0; --t) {
    for (int64_t r = 0; r < R; ++r) {
      earlier -= s.write[t * R + r] * s.to_state[t * R + r];
      const int64_t i = (t + shift) * R + r;
      if (i >= c.n) continue;
      later += s.from_state[i];
      for (int64_t j = 0; j < s.row; j += kLanes) {
        hn::StoreU(hn::Add(hn::LoadU(d, s.pairs + j), hn::LoadU(d, s.E + i * s.row + j)), d, s.pairs + j);
      }
    }
    Vec sum = hn::Zero(d);
    for (int64_t j = 0; j < t * R; j += kLanes) {
      const auto before = hn::FirstN(d, static_cast<size_t>(HWY_MIN(kLanes, t * R - j)));
      sum = hn::Add(sum, hn::IfThenElseZero(before, hn::LoadU(d, s.pairs + j)));
    }
    const int64_t at = (c.t0 + t) * c.d().H + c.h;
    if (c.task.c.g[at] < kForgets) continue;
    c.task.grads.dg[at] += hn::GetLane(hn::SumOfLanes(d, sum)) + carried + later + earlier;
  }
}

HWY_NOINLINE void chunk_backward(const ScalarChunk& c, const float* ST) {
  ScalarBackwardScratch& s = c.s;
  const HeadDims& d = c.d();
  const int64_t K = d.K, V = d.V, value_row = c.value_row(), at = c.value_at();
  float* L = c.task.grads.dS + c.h * K * V;
  load_decays(c);
  chunk_weights(c);
  transpose(L, K, V, V, s.LT, s.wide);
  scale_rows(c.task.dy + at, value_row, c.n, V, s.decays.from_start.data(), nullptr, s.signal, s.columns);
  chunk_keys(c, ST);
  if (c.task.grads.dv) {
    for (int64_t j = 0; j < c.n; ++j) s.pairs[j] = s.decays.to_end[static_cast<size_t>(j)] * s.write[j];
    product_sum(c.n, V, {{s.keys, 1, s.row}, {L, V}, K}, s.pairs,
                {{s.WP, 1, s.row}, {c.task.dy + at, value_row}, c.n, Shape::kUpper, d.R - 1}, true,
                c.task.grads.dv + at, value_row);
  }
  if (c.task.grads.ds || c.task.grads.du) chunk_write_gradients(c);
  if (c.task.grads.dg && c.task.c.g) {
    float carried = 0;
    for (int64_t v = 0; v < V; ++v) carried += dot_row(ST + v * s.wide, s.LT + v * s.wide, K);
    chunk_decay_gradients(c, (s.decays.base + s.decays.factor) * carried);
  }
  product_onto_decayed(K, V, {{s.q, 1, K}, {s.signal, s.columns}, c.n}, &s.decays.base, &s.decays.factor, 0, L, V);
}

// S^T at every chunk start of one head.
HWY_NOINLINE void keep_states(const ScalarBackwardTask& task, int64_t h, int64_t step, ScalarBackwardScratch* s,
                              float* kept) {
  const HeadDims& d = task.d;
  const int64_t size = d.V * s->wide;
  std::fill_n(kept, size, 0.0f);
  transpose(task.S0 + h * d.K * d.V, d.K, d.V, d.V, kept, s->wide);
  for (int64_t t0 = 0; t0 + step < d.T; t0 += step, kept += size) {
    const ScalarChunk c{task, *s, h, t0, step, step * d.R};
    prefetch_chunk(task.v + c.value_at() + c.n * c.value_row(), c.value_row(), c.n, d.V, t0 + 2 * step <= d.T);
    load_decays(c);
    scale_rows(task.v + c.value_at(), c.value_row(), c.n, d.V, s->decays.to_end.data(), s->write, s->values,
               s->columns);
    std::copy_n(kept, size, kept + size);
    product_onto_decayed(d.V, d.K, {{s->values, 1, s->columns}, {c.k(), c.key_row()}, c.n}, &s->decays.base,
                         &s->decays.factor, 0, kept + size, s->wide);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
