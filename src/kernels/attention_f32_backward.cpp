// The adjoint computes the tiles of the forward pass again: once by query blocks for dq, once by key blocks for dk and
// dv, so that no two threads add to the same place.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention_job.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_f32_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/attention_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// Weights to x.s and, where wanted, the adjoint of the products to x.dp; zero where unseen.
HWY_INLINE void adjoint_block(const AttentionJob& job, const AttentionScratch& x, int64_t h, int64_t t0, int64_t rows,
                              int64_t block, bool want_dp) {
  const AttentionDims& dims = job.dims;
  const int64_t kv = job.kv(h), width = std::min(kTileKeys, dims.keys() - block * kTileKeys);
  const Strided q{job.q.at(h, t0), job.q.row, 1}, dy{job.dy.at(h, t0), job.dy.row, 1};
  product(rows, width, dims.d, q, job.block_of(job.keys_t, kv, block, dims.d), kTileKeys, x.s, kTileKeys, false);
  if (want_dp)
    product(rows, width, dims.d_v, dy, job.block_of(job.values_t, kv, block, dims.d_v), kTileKeys, x.dp, kTileKeys,
            false);
  for (int64_t r = 0; r < rows; ++r) {
    const glr::TileRange seen = job.seen(t0 + r, block);
    const int64_t at = (t0 + r) * dims.heads + h;
    float *s = x.s + r * kTileKeys, *dp = want_dp ? x.dp + r * kTileKeys : nullptr;
    clear_unseen(seen, width, s);
    if (want_dp) clear_unseen(seen, width, dp);
    weights_row(seen.end - seen.begin, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), job.lse[at],
                job.along[at], s + seen.begin, want_dp ? dp + seen.begin : nullptr);
  }
}

void QueryGradTile(const AttentionJob& job, float* scratch, int64_t h, int64_t query_block) {
  const AttentionDims& dims = job.dims;
  const AttentionScratch x(scratch, dims);
  const int64_t t0 = query_block * kTileRows, rows = std::min(kTileRows, dims.T - t0), kv = job.kv(h);
  for (int64_t b = dims.first_key(t0) / kTileKeys; b <= (dims.past + t0 + rows - 1) / kTileKeys; ++b) {
    const int64_t j0 = b * kTileKeys;
    adjoint_block(job, x, h, t0, rows, b, true);
    product(rows, dims.d, std::min(kTileKeys, dims.keys() - j0), {x.dp, kTileKeys, 1}, job.k.at(kv, j0), job.k.row,
            job.grads.dq + (t0 * dims.heads + h) * dims.d, dims.heads * dims.d, true);
  }
}

void KeyGradTile(const AttentionJob& job, float* scratch, int64_t kv, int64_t block) {
  const AttentionDims& dims = job.dims;
  const AttentionScratch x(scratch, dims);
  const int64_t j0 = block * kTileKeys, width = std::min(kTileKeys, dims.keys() - j0),
                group = dims.heads / dims.kv_heads;
  const int64_t first = std::max<int64_t>(0, j0 - dims.past);
  const int64_t end = dims.window > 0 ? std::min(dims.T, j0 + width - dims.past + dims.window - 1) : dims.T;
  for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
    for (int64_t t0 = first / kTileRows * kTileRows; t0 < end; t0 += kTileRows) {
      const int64_t rows = std::min(kTileRows, dims.T - t0);
      adjoint_block(job, x, h, t0, rows, block, job.grads.dk != nullptr);
      if (job.grads.dv != nullptr) {
        product(width, dims.d_v, rows, {x.s, 1, kTileKeys}, job.dy.at(h, t0), job.dy.row,
                job.grads.dv + (j0 * dims.kv_heads + kv) * dims.d_v, dims.kv_heads * dims.d_v, true);
      }
      if (job.grads.dk != nullptr) {
        product(width, dims.d, rows, {x.dp, 1, kTileKeys}, job.q.at(h, t0), job.q.row,
                job.grads.dk + (j0 * dims.kv_heads + kv) * dims.d, dims.kv_heads * dims.d, true);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(QueryGradTile);
HWY_EXPORT(KeyGradTile);

void attention_backward(const AttentionDims& dims, const AttentionInputs<float>& in, const float* y, const float* lse,
                        const float* dy, const AttentionGrads<float>& grads) {
  const bool scores = grads.dq != nullptr || grads.dk != nullptr;
  const std::vector<float> keys = transposed_keys(dims, in.k, dims.d);
  const std::vector<float> values = scores ? transposed_keys(dims, in.v, dims.d_v) : std::vector<float>();
  std::vector<float> along(static_cast<size_t>(dims.T * dims.heads)), q, k, adjoint;  // [T, heads]
  for (int64_t at = 0; scores && at < dims.T * dims.heads; ++at) {
    double sum = 0;
    for (int64_t i = 0; i < dims.d_v; ++i)
      sum += static_cast<double>(dy[at * dims.d_v + i]) * static_cast<double>(y[at * dims.d_v + i]);
    along[static_cast<size_t>(at)] = static_cast<float>(sum);
  }
  AttentionJob job{dims};
  job.q = packed_by_head(dims.T, dims.heads, dims.d, in.q, q);
  if (grads.dq != nullptr) job.k = packed_by_head(dims.keys(), dims.kv_heads, dims.d, in.k, k);
  job.dy = packed_by_head(dims.T, dims.heads, dims.d_v, dy, adjoint);
  job.keys_t = keys.data();
  job.values_t = values.data();
  job.lse = lse;
  job.along = along.data();
  job.grads = grads;
  const int64_t size = AttentionScratch::size(dims);
  if (grads.dq != nullptr) {
    const auto run = HS_DISPATCH(QueryGradTile);
    for_tasks(dims.heads * job.query_blocks(), size, worth_threads(dims),
              [&](int64_t i, float* s) { run(job, s, i % dims.heads, i / dims.heads); });
  }
  if (grads.dk != nullptr || grads.dv != nullptr) {
    const auto run = HS_DISPATCH(KeyGradTile);
    for_tasks(dims.kv_heads * job.key_blocks(), size, worth_threads(dims),
              [&](int64_t i, float* s) { run(job, s, i % dims.kv_heads, i / dims.kv_heads); });
  }
}

}  // namespace hindscan::kernels
#endif
