// Chunked forward pass of row transitions, R = 1: inside a chunk the decays are moved into q and k, relative to the
// chunk's start; a chunk ends where e^-G would grow too large, and tokens that allow none are taken one by one.
#include "kernels/glr/head_row_decay.h"

#include <omp.h>

#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/head_current.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_row_decay.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_row_decay-inl.h"

#ifndef HINDSCAN_GLR_HEAD_ROW_DECAY_ONCE
#define HINDSCAN_GLR_HEAD_ROW_DECAY_ONCE
namespace hindscan::kernels::glr {

struct RowTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *current;  // current [H, T] or null
  float *S, *y;
  int64_t h;
  TileRange columns;
};

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

void RowForward(const RowTask& task, RowScratch* s, SweepScratch* sweep) {
  const HeadDims& d = task.d;
  const int64_t value_row = d.H * d.V, columns = task.columns.end - task.columns.begin;
  s->resize(d);
  for (int64_t t0 = 0, n; t0 < d.T; t0 += n) {
    n = sum_decays(d, task.c, task.h, t0, s);
    const float* current = task.current ? task.current + task.h * d.T + t0 : nullptr;
    if (n < kRowLeast) {
      n = HWY_MIN(kRowFallback, d.T - t0);
      diagonal_forward_head(slice(d, n), slice(d, task.c, t0), task.v + t0 * value_row, current, task.h, task.columns,
                            task.S, task.y + t0 * value_row, sweep);
      continue;
    }
    const int64_t at = t0 * value_row + task.h * d.V + task.columns.begin;
    const float* v = task.v + at;
    float* S = task.S + task.h * d.K * d.V + task.columns.begin;
    prefetch_row_chunk(d, task.c, task.h, t0 + n);
    prefetch_chunk(v + n * value_row, value_row, HWY_MIN(kRowChunk, d.T - t0 - n), columns, true);
    load_row_chunk(d, task.c, task.h, t0, n, s);
    row_scores(n, d.K, task.c.read, current, s);
    product_sum(n, columns, {{s->q, d.K, 1}, {S, d.V}, d.K}, nullptr,
                {{s->scores, kRowChunk, 1}, {v, value_row}, n, Shape::kLower}, false, task.y + at, value_row);
    advance_rows(n, d.K, columns, v, value_row, *s, S, d.V);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {

HWY_EXPORT(RowForward);

void row_forward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y) {
  const std::vector<float> current = c.read == Read::kAfter ? std::vector<float>() : current_weights(d, c);
  const auto kernel = HS_DISPATCH(RowForward);
  // Every part of V forms the scores anew: one part unless threads would be idle.
  const int64_t parts = std::min((d.V + 31) / 32, (omp_get_max_threads() + d.H - 1) / d.H);
  const int64_t width = ((d.V + parts - 1) / parts + 31) / 32 * 32;
#pragma omp parallel if (d.H * parts > 1 && d.T * d.H * d.K * d.V >= kParallelUpdates)
  {
    thread_local RowScratch scratch;
    thread_local SweepScratch sweep;
    sweep.resize(1, d.K);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < d.H * parts; ++i) {
      const int64_t first = i % parts * width;
      if (first >= d.V) continue;
      kernel(
          {d, c, v, current.empty() ? nullptr : current.data(), S, y, i / parts, {first, std::min(d.V, first + width)}},
          &scratch, &sweep);
    }
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
