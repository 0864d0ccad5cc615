// Sequential rank-1 recurrence: token by token, lanes along V. Columns of the state never meet, so a strip of them
// stays in the first-level cache for the whole pass.
#include "kernels/dispatch.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_delta_sequential.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_delta-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// One token's coefficients, [Kp] each.
struct DeltaToken {
  float *a, *b, *c, *q, *k;
  float current;  // weight of v_t in y_t outside the state
};

HWY_INLINE float dot(const float* x, const float* y, int64_t padded) {
  const DeltaTag d;
  DeltaVec sum = hn::Zero(d);
  for (int64_t k = 0; k < padded; k += kDeltaLanes) sum = hn::MulAdd(hn::LoadU(d, x + k), hn::LoadU(d, y + k), sum);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE void load_token(const DeltaHead& head, int64_t t, int64_t Kp, DeltaToken& w) {
  const int64_t K = head.d.K;
  const HeadCoeffs<float>& c = head.c;
  const float s = c.s ? c.s[head.head_at(t)] : 1.0f;
  load_decay(head, t, w.a, Kp);
  copy_row(c.b + head.row_at(t), K, w.b, Kp);
  copy_row(c.c + head.row_at(t), K, w.c, Kp);
  copy_row(c.q + head.key_at(t), K, w.q, Kp);
  copy_row(c.k + head.key_at(t), K, w.k, Kp);
  w.current = 0.0f;
  if (c.u && c.read == Read::kDecayed) w.current = c.u[head.head_at(t)] * dot(w.q, w.k, Kp);
  for (int64_t i = 0; i < K; ++i) {
    if (c.u && c.read == Read::kBefore) w.current += w.q[i] * c.u[head.h * K + i] * w.k[i];
    w.k[i] *= s;
  }
}

// f(parity, i) for i in [0, K), so that two chains of sums run at once.
template <class F>
HWY_INLINE void for_rows(int64_t K, const F& f) {
  int64_t i = 0;
  for (; i + 2 <= K; i += 2) {
    f(std::integral_constant<int, 0>(), i);
    f(std::integral_constant<int, 1>(), i + 1);
  }
  if (i < K) f(std::integral_constant<int, 0>(), i);
}

// S [K, Vecs vectors] at row stride ld; v, y [Vecs vectors].
template <int Vecs>
void delta_step(const DeltaToken& w, Read read, int64_t K, int64_t ld, const float* v, float* S, float* y) {
  const DeltaTag d;
  DeltaVec in[Vecs], u[2][Vecs], out[2][Vecs];
#pragma GCC unroll 4
  for (int n = 0; n < Vecs; ++n) {
    in[n] = hn::LoadU(d, v + n * kDeltaLanes);
    u[0][n] = u[1][n] = out[1][n] = hn::Zero(d);
    out[0][n] = hn::Mul(in[n], hn::Set(d, w.current));
  }
  for_rows(K, [&](auto parity, int64_t i) HWY_ATTR {
    const DeltaVec c = hn::Set(d, w.c[i] * w.a[i]);
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n)
      u[parity][n] = hn::MulAdd(c, hn::LoadU(d, S + i * ld + n * kDeltaLanes), u[parity][n]);
  });
#pragma GCC unroll 4
  for (int n = 0; n < Vecs; ++n) u[0][n] = hn::Add(u[0][n], u[1][n]);
  for_rows(K, [&](auto parity, int64_t i) HWY_ATTR {
    const DeltaVec a = hn::Set(d, w.a[i]), b = hn::Set(d, w.b[i]), k = hn::Set(d, w.k[i]), q = hn::Set(d, w.q[i]);
#pragma GCC unroll 4
    for (int n = 0; n < Vecs; ++n) {
      const DeltaVec old = hn::LoadU(d, S + i * ld + n * kDeltaLanes), moved = hn::MulAdd(a, old, hn::Mul(b, u[0][n]));
      const DeltaVec now = hn::MulAdd(k, in[n], moved);
      hn::StoreU(now, d, S + i * ld + n * kDeltaLanes);
      const DeltaVec seen = read == Read::kAfter ? now : read == Read::kBefore ? old : moved;
      out[parity][n] = hn::MulAdd(q, seen, out[parity][n]);
    }
  });
#pragma GCC unroll 4
  for (int n = 0; n < Vecs; ++n) hn::StoreU(hn::Add(out[0][n], out[1][n]), d, y + n * kDeltaLanes);
}

constexpr int kStrip = kDeltaLanes == 16 ? 4 : 2;  // vectors of one strip of columns
constexpr int64_t kStripColumns = kStrip * kDeltaLanes;

int64_t DeltaStrips(int64_t V) { return (V + kStripColumns - 1) / kStripColumns; }

// One strip of one head over all tokens. memory: [K, strip] for the state and [5, Kp] for a token.
void DeltaSequentialStrip(const DeltaHead& head, int64_t strip, const float* v, float* S, float* y, float* memory) {
  const int64_t K = head.d.K, V = head.d.V, Kp = delta_round(K), first = strip * kStripColumns;
  const int64_t count = HWY_MIN(kStripColumns, V - first);
  const bool in_place = count == kStripColumns && head.d.T < 4;  // copying would cost as much as a token
  DeltaToken w{memory, memory + Kp, memory + 2 * Kp, memory + 3 * Kp, memory + 4 * Kp, 0.0f};
  float *given = S + head.h * K * V + first, *state = in_place ? given : memory + 5 * Kp;
  const int64_t ld = in_place ? V : kStripColumns;
  for (int64_t i = 0; !in_place && i < K; ++i) copy_row(given + i * V, count, state + i * ld, ld);
  HWY_ALIGN float in[kStripColumns], out[kStripColumns];
  const auto step = count <= kDeltaLanes       ? delta_step<1>
                    : count <= 2 * kDeltaLanes ? delta_step<2>
                                               : delta_step<kStrip>;
  for (int64_t t = 0; t < head.d.T; ++t) {
    load_token(head, t, Kp, w);
    copy_row(v + head.value_at(t) + first, count, in, kStripColumns);
    step(w, head.c.read, K, ld, in, state, out);
    std::copy_n(out, count, y + head.value_at(t) + first);
  }
  for (int64_t i = 0; !in_place && i < K; ++i) std::copy_n(state + i * ld, count, given + i * V);
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(DeltaStrips);
HWY_EXPORT(DeltaSequentialStrip);

}  // namespace

void delta_forward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y) {
  if (d.R > 1) return reference::forward(d, c, v, S, y);  // no known model writes more than once here
  const auto kernel = HS_DISPATCH(DeltaSequentialStrip);
  const int64_t strips = (*HS_DISPATCH(DeltaStrips))(d.V), tasks = d.H * strips, Kp = delta_round(d.K);
  constexpr int64_t kMostColumns = 64;
#pragma omp parallel for schedule(static) if (tasks > 1 && d.T * d.H * d.K * d.V >= (1 << 18))
  for (int64_t task = 0; task < tasks; ++task) {
    const auto memory = hwy::AllocateAligned<float>(static_cast<size_t>((5 + kMostColumns) * Kp));
    (*kernel)(DeltaHead{d, c, task / strips}, task % strips, v, S, y, memory.get());
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
