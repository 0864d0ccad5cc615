// Chunked exact gradient of row transitions, R = 1. In a chunk, with q' = q E, k' = k / E (E the decays since its
// start), w = s v, scores P = q' k'^T and Z = dY w^T below the diagonal, S the carried state, L' = E_end L of the state
// after:
//   dq' = dY S^T + Z k'      dk' = w L'^T + Z^T q'      dw = k' L' + P^T dY      L = L' + q'^T dY
// A decay at t belongs to every pair j < t <= i: dg_t = S.L' + sum_{i>=t} q' dq' + sum_{j<t} k' (w L'^T) - sum_{j>=t}
// k' (Z^T q'), per key channel, without the current token's own weight. States at chunk starts are computed first and
// kept.
#include "kernels/glr/head_row_decay_backward.h"

#include <omp.h>

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_row_decay_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_row_decay_backward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

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
