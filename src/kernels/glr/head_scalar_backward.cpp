// Chunked exact gradient of scalar transitions. With scores P = Q K^T and Z = dY V^T, decays E and weights W = E s (and
// the current token's on the diagonal), S and L the carried state and the adjoint of the chunk's last:
//   dV += (W P)^T dY + K L        dQ += (W Z) K + dY S^T        dK += (W Z)^T Q + V L^T       (decays of S and L left
//   out)
// States at chunk starts are computed first and kept. A decay between tokens j < t <= i belongs to all pairs around it,
// so dg_t is the sum of the rectangle i >= t, j < t of W P Z and of what passes from and to the neighbouring chunks.
#include "kernels/glr/head_scalar_backward.h"

#include <omp.h>

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_current.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_scalar_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_scalar_backward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

void ScalarBackward(const ScalarBackwardTask& task, ScalarBackwardScratch* s) {
  const HeadDims& d = task.d;
  if (d.T == 0) return;
  const int64_t step = chunk_tokens(d.R), chunks = (d.T + step - 1) / step;
  s->prepare(d, task.last - task.first, chunks);
  const int64_t size = d.V * s->wide;
  for (int64_t h = task.first; h < task.last; ++h)
    keep_states(task, h, step, s, s->kept + (h - task.first) * chunks * size);
  for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
    const int64_t t0 = chunk * step, tokens = HWY_MIN(step, d.T - t0), n = tokens * d.R;
    load_scores(d, task.c, task.group, t0, n, s);
    std::fill_n(s->dq, n * s->wide, 0.0f);
    std::fill_n(s->dk, n * s->wide, 0.0f);
    for (int64_t h = task.first; h < task.last; ++h) {
      const ScalarChunk c{task, *s, h, t0, tokens, n};
      const int64_t before = HWY_MIN(t0, step) * d.R * c.value_row();
      prefetch_chunk(task.v + c.value_at() - before, c.value_row(), n, d.V, chunk > 0);
      prefetch_chunk(task.dy + c.value_at() - before, c.value_row(), n, d.V, chunk > 0);
      chunk_backward(c, s->kept + ((h - task.first) * chunks + chunk) * size);
    }
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = (t0 * d.R + i) * task.key_row;
      if (task.dq) add_row(s->dq + i * s->wide, 1.0f, d.K, task.dq + at);
      if (task.dk) add_row(s->dk + i * s->wide, 1.0f, d.K, task.dk + at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(ScalarBackward);

constexpr int64_t kHeadsOfTask =
    4;  // heads of a group that add to one dq and dk, a number that no thread count changes

}  // namespace

void scalar_backward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0,
                             const float* dy, const HeadGrads<float>& grads) {
  const std::vector<float> current = c.read == Read::kBefore ? current_weights(d, c) : std::vector<float>();
  const auto kernel = HS_DISPATCH(ScalarBackward);
  const int64_t per_group = d.H / d.G, splits = (per_group + kHeadsOfTask - 1) / kHeadsOfTask, rows = d.T * d.R;
  std::vector<float> dq(splits > 1 && grads.dq ? static_cast<size_t>(d.G * splits * rows * d.K)
                                               : 0);  // [G, splits, T, R, K]
  std::vector<float> dk(splits > 1 && grads.dk ? dq.size() : 0);
  dk.resize(splits > 1 && grads.dk ? static_cast<size_t>(d.G * splits * rows * d.K) : 0);
#pragma omp parallel if (d.G * splits > 1 && d.T * d.H * d.K * d.V >= kParallelUpdates)
  {
    thread_local ScalarBackwardScratch scratch;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < d.G * splits; ++i) {
      const int64_t group = i / splits, split = i % splits;
      const auto sum = [&](float* gradient, std::vector<float>& own) {
        if (!gradient) return gradient;
        return splits > 1 ? own.data() + i * rows * d.K : gradient + group * d.K;
      };
      kernel({d, c, v, S0, dy, current.empty() ? nullptr : current.data(), grads, sum(grads.dq, dq), sum(grads.dk, dk),
              splits > 1 ? d.K : d.G * d.K, group, group * per_group + split * kHeadsOfTask,
              group * per_group + std::min(per_group, (split + 1) * kHeadsOfTask)},
             &scratch);
    }
    if (scratch.states.size() > kKeptBytes) scratch.states = HugeBuffer();
  }
  const auto add = [&](const std::vector<float>& own, float* gradient) {
#pragma omp parallel for schedule(static) if (static_cast <int64_t>(own.size()) >= kParallelUpdates)
    for (int64_t row = 0; row < (own.empty() ? 0 : rows); ++row) {
      for (int64_t i = 0; i < d.G * splits; ++i) {
        const float* from = own.data() + (i * rows + row) * d.K;
        float* to = gradient + (row * d.G + i / splits) * d.K;
        for (int64_t k = 0; k < d.K; ++k) to[k] += from[k];
      }
    }
  };
  add(dq, grads.dq);
  add(dk, grads.dk);
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
