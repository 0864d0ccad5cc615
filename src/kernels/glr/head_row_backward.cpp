// Chunked exact gradient of row transitions, R = 1. In a chunk, with q' = q E, k' = k / E (E the decays since its start),
// w = s v, scores P = q' k'^T and Z = dY w^T below the diagonal, S the carried state, L' = E_end L of the state after:
//   dq' = dY S^T + Z k'      dk' = w L'^T + Z^T q'      dw = k' L' + P^T dY      L = L' + q'^T dY
// A decay at t belongs to every pair j < t <= i: dg_t = S.L' + sum_{i>=t} q' dq' + sum_{j<t} k' (w L'^T) - sum_{j>=t} k' (Z^T q'),
// per key channel, without the current token's own weight. States at chunk starts are computed first and kept.
#include <omp.h>

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_row.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_row_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_row-inl.h"

#ifndef HINDSCAN_GLR_HEAD_ROW_BACKWARD_ONCE
#define HINDSCAN_GLR_HEAD_ROW_BACKWARD_ONCE
namespace hindscan::kernels::glr {

struct RowBackwardTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *S0, *dy;
  const HeadGrads<float>& grads;
  int64_t h;
  const std::vector<int64_t>& starts;  // of the chunks, T at the end
};

struct RowBackwardScratch : RowScratch {
  HugeBuffer more, states;
  int64_t columns = 0;
  float *decay, *growth;         // [chunk, wide] E at the read and 1 / E at the write
  float *w, *turned, *dw;        // [chunk, columns] s v, [V, chunk] w^T, [chunk, columns]
  float* Z;                      // [chunk, chunk]
  float *LT;                     // [V, wide] L'^T
  float *dq, *dk;                // [chunk, wide] through the state
  float *dq_in, *dk_in;          // [chunk, wide] within the chunk
  float* carried;                // [wide]
  float* kept = nullptr;         // [chunks, V, wide] S^T at chunk starts

  void prepare(const HeadDims& d, int64_t chunks) {
    resize(d);
    columns = whole_vectors(d.V);
    carve(&more, {{&decay, kRowChunk * wide}, {&growth, kRowChunk * wide}, {&w, kRowChunk * columns},
                  {&turned, d.V * kRowChunk}, {&dw, kRowChunk * columns}, {&Z, kRowChunk * kRowChunk},
                  {&LT, d.V * wide}, {&dq, kRowChunk * wide}, {&dk, kRowChunk * wide}, {&dq_in, kRowChunk * wide},
                  {&dk_in, kRowChunk * wide}, {&carried, wide}});
    carve(&states, {{&kept, chunks * d.V * wide}});
  }
};

}  // namespace hindscan::kernels::glr
#endif

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

// Chunk starts of one head, empty when some tokens allow no chunk.
void RowPlan(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, RowScratch* s, std::vector<int64_t>* starts) {
  s->resize(d);
  starts->assign(1, 0);
  while (starts->back() < d.T) {
    const int64_t n = sum_decays(d, c, h, starts->back(), s);
    if (n < kRowLeast && starts->back() + n < d.T) return starts->clear();
    starts->push_back(starts->back() + n);
  }
}

// E, 1 / E, k' and w; with q' when `reads`.
HWY_NOINLINE void load_backward_chunk(const RowChunkBackward& c, bool reads) {
  const Lanes d;
  RowBackwardScratch& s = c.s;
  const int64_t K = c.d().K, low = s.low - s.high;
  sum_decays(c.d(), c.task.c, c.task.h, c.t0, &s);
  const Vec one = hn::Set(d, 1.0f);
  for (int64_t t = 0; t < c.n; ++t) {
    const float *read = s.high + (c.task.c.read == Read::kBefore ? t : t + 1) * s.wide, *write = s.high + (t + 1) * s.wide;
    const float *q = c.task.c.q + c.key_at(t), *k = c.task.c.k + c.key_at(t);
    for (int64_t i = 0; i < K; i += kLanes) {
      const int64_t count = HWY_MIN(kLanes, K - i);
      const Vec growth = hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::Neg(hn::LoadU(d, write + i))),
                                 hn::Sub(one, hn::LoadU(d, write + low + i)));
      hn::StoreU(growth, d, s.growth + t * s.wide + i);
      store_channels(hn::Mul(load_channels(k + i, count), growth), count, s.k + t * K + i);
      if (!reads) continue;
      const Vec decay = hn::Mul(kernels::HWY_NAMESPACE::vexp(hn::LoadU(d, read + i)),
                                hn::Add(one, hn::LoadU(d, read + low + i)));
      hn::StoreU(decay, d, s.decay + t * s.wide + i);
      store_channels(hn::Mul(load_channels(q + i, count), decay), count, s.q + t * K + i);
    }
    const Vec weight = hn::Set(d, c.write(t));
    for (int64_t l = 0; l < c.d().V; l += kLanes) {
      const Vec v = load_channels(c.task.v + c.value_at(t) + l, HWY_MIN(kLanes, c.d().V - l));
      hn::StoreU(hn::Mul(weight, v), d, s.w + t * s.columns + l);
    }
  }
  decays(false, s.high + c.n * s.wide, s.wide, s.factor, s.base);
}

// x [V, wide] <- decay of the chunk per lane, x.
HWY_INLINE void decay_lanes(const RowBackwardScratch& s, int64_t V, float* x) {
  const Lanes d;
  for (int64_t i = 0; i < V * s.wide; i += kLanes) {
    const Vec value = hn::LoadU(d, x + i), base = hn::LoadU(d, s.base + i % s.wide), factor = hn::LoadU(d, s.factor + i % s.wide);
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
    for (int64_t v = 0; v < V; ++v) sum = hn::MulAdd(hn::LoadU(d, ST + v * s.wide + i), hn::LoadU(d, s.LT + v * s.wide + i), sum);
    hn::StoreU(sum, d, s.carried + i);
  }
  product_sum(n, K, {{dy, value_row, 1}, {ST, s.wide}, V}, nullptr, {}, false, s.dq, s.wide);
  product_sum(n, K, {{s.Z, kRowChunk, 1}, {s.k, K}, n, Shape::kLower}, nullptr, {}, false, s.dq_in, s.wide);
  product_sum(n, K, {{s.w, s.columns, 1}, {s.LT, s.wide}, V}, nullptr, {}, false, s.dk, s.wide);
  product_sum(n, K, {{s.Z, 1, kRowChunk}, {s.q, K}, n, Shape::kUpper}, nullptr, {}, false, s.dk_in, s.wide);
  product_sum(n, V, {{s.k, K, 1}, {L, V}, K}, nullptr, {{s.scores, 1, kRowChunk}, {dy, value_row}, n, Shape::kUpper}, false,
              s.dw, s.columns);
  product_sum(K, V, {{s.q, 1, K}, {dy, value_row}, n}, nullptr, {}, true, L, V);
  store_key_gradients(c);
  store_value_gradients(c);
  for (int64_t t = 0; t < n; ++t) current_token(c, t);
}

void RowBackward(const RowBackwardTask& task, RowBackwardScratch* s) {
  const HeadDims& d = task.d;
  const int64_t chunks = static_cast<int64_t>(task.starts.size()) - 1;
  if (chunks <= 0) return;
  s->prepare(d, chunks);
  const int64_t size = d.V * s->wide;
  std::fill_n(s->kept, size, 0.0f);
  transpose(task.S0 + task.h * d.K * d.V, d.K, d.V, d.V, s->kept, s->wide);
  const auto chunk_at = [&](int64_t i) {
    const int64_t t0 = task.starts[static_cast<size_t>(i)];
    return RowChunkBackward{task, *s, t0, task.starts[static_cast<size_t>(i + 1)] - t0};
  };
  for (int64_t i = 0; i + 1 < chunks; ++i) {
    const RowChunkBackward c = chunk_at(i);
    float* next = s->kept + (i + 1) * size;
    prefetch_row_chunk(d, task.c, task.h, c.t0 + c.n);
    load_backward_chunk(c, false);
    std::copy_n(next - size, size, next);
    product_sum(d.V, d.K, {{s->w, 1, s->columns}, {s->k, d.K}, c.n}, nullptr, {}, true, next, s->wide);
    decay_lanes(*s, d.V, next);
  }
  for (int64_t i = chunks - 1; i >= 0; --i) {
    const RowChunkBackward c = chunk_at(i);
    if (i > 0) {
      const RowChunkBackward next = chunk_at(i - 1);
      prefetch_row_chunk(d, task.c, task.h, next.t0);
      prefetch_chunk(task.v + next.value_at(0), c.value_row(), next.n, d.V, true);
      prefetch_chunk(task.dy + next.value_at(0), c.value_row(), next.n, d.V, true);
    }
    backward_chunk(c, s->kept + i * size);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {

HWY_EXPORT(RowPlan);
HWY_EXPORT(RowBackward);

void row_backward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0,
                          const float* dy, const HeadGrads<float>& grads) {
  const auto plan = HS_DISPATCH(RowPlan);
  const auto kernel = HS_DISPATCH(RowBackward);
  const bool parallel = d.T * d.H * d.K * d.V >= kParallelUpdates;
  std::vector<std::vector<int64_t>> starts(static_cast<size_t>(d.H));
#pragma omp parallel if (parallel && d.H > 1)
  {
    thread_local RowScratch scratch;
#pragma omp for schedule(static)
    for (int64_t h = 0; h < d.H; ++h) plan(d, c, h, &scratch, &starts[static_cast<size_t>(h)]);
  }
  const bool possible = std::none_of(starts.begin(), starts.end(), [](const auto& s) { return s.empty(); });
  if (!possible) return diagonal_backward(d, c, v, S0, dy, grads);
  const int64_t per_group = d.H / d.G;
#pragma omp parallel if (parallel && d.G > 1)
  {
    thread_local RowBackwardScratch scratch;
#pragma omp for schedule(static)
    for (int64_t group = 0; group < d.G; ++group) {
      for (int64_t h = group * per_group; h < (group + 1) * per_group; ++h) {
        kernel({d, c, v, S0, dy, grads, h, starts[static_cast<size_t>(h)]}, &scratch);
      }
    }
    if (scratch.states.size() > kKeptBytes) scratch.states = HugeBuffer();
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
