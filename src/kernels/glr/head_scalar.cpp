// Chunked forward pass of scalar transitions (SSD): inside a chunk of tokens y = (Q K^T * decays) V, between chunks the
// state. R writes a token are R columns of the chunk; heads that share q and k share Q K^T.
#include <omp.h>

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_chunk.h"
#include "kernels/glr/head_current.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_scalar.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_scalar-inl.h"

#ifndef HINDSCAN_GLR_HEAD_SCALAR_ONCE
#define HINDSCAN_GLR_HEAD_SCALAR_ONCE
namespace hindscan::kernels::glr {

// Heads [first, last) of one group, columns [column, column + columns) of v and y.
struct ScalarTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *current;  // current [H, T, R, R] or null
  float *S, *y;
  int64_t group, first, last, column, columns;
};

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

void ScalarForward(const ScalarTask& task, ScalarScratch* s) {
  const HeadDims& d = task.d;
  const int64_t tokens_per_chunk = chunk_tokens(d.R), value_row = d.H * d.V;
  s->resize(d);
  for (int64_t t0 = 0; t0 < d.T; t0 += tokens_per_chunk) {
    const int64_t tokens = HWY_MIN(tokens_per_chunk, d.T - t0), n = tokens * d.R;
    load_scores(d, task.c, task.group, t0, n, s);
    for (int64_t h = task.first; h < task.last; ++h) {
      const float* v = task.v + t0 * d.R * value_row + h * d.V + task.column;
      float* y = task.y + t0 * d.R * value_row + h * d.V + task.column;
      float* S = task.S + h * d.K * d.V + task.column;
      prefetch_chunk(v + tokens_per_chunk * d.R * value_row, value_row, n, task.columns, t0 + tokens < d.T);
      const float* g = task.c.g ? task.c.g + t0 * d.H + h : nullptr;
      chunk_decays(g, d.H, tokens, d.R, task.c.read, &s->decays);
      const float* current = task.current ? task.current + (h * d.T + t0) * d.R * d.R : nullptr;
      load_write(d, task.c, h, t0, n, s);
      decayed_scores(d, task.c, n, current, s);
      product_sum(n, task.columns, {{s->q, d.K, 1}, {S, d.V}, d.K}, s->decays.from_start.data(),
                  {{s->weights, s->row, 1}, {v, value_row}, n, Shape::kLower, d.R - 1}, false, y, value_row);
      scale_rows(v, value_row, n, task.columns, s->decays.to_end.data(), s->write, s->values, s->columns);
      product_onto_decayed(d.K, task.columns, {{s->keys, s->row, 1}, {s->values, s->columns}, n}, &s->decays.base,
                           &s->decays.factor, 0, S, d.V);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {

HWY_EXPORT(ScalarForward);

void scalar_forward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y) {
  const std::vector<float> current = c.read == Read::kAfter ? std::vector<float>() : current_weights(d, c);
  const auto kernel = HS_DISPATCH(ScalarForward);
  // Every piece forms Q K^T anew, so pieces are as large as the threads allow; results do not depend on them.
  const int64_t threads = omp_get_max_threads(), per_group = d.H / d.G;
  const int64_t splits = std::min(per_group, (threads + d.G - 1) / d.G);
  const int64_t parts = std::min((d.V + 31) / 32, (threads + d.G * splits - 1) / (d.G * splits));
  const int64_t columns = ((d.V + parts - 1) / parts + 31) / 32 * 32;
#pragma omp parallel if (d.G * splits * parts > 1 && d.T * d.H * d.K * d.V >= kParallelUpdates)
  {
    thread_local ScalarScratch scratch;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < d.G * splits * parts; ++i) {
      const int64_t group = i / (splits * parts), split = i / parts % splits, column = i % parts * columns;
      if (column >= d.V) continue;
      const ScalarTask task{d,
                            c,
                            v,
                            current.empty() ? nullptr : current.data(),
                            S,
                            y,
                            group,
                            group * per_group + per_group * split / splits,
                            group * per_group + per_group * (split + 1) / splits,
                            column,
                            std::min(columns, d.V - column)};
      kernel(task, &scratch);
    }
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
