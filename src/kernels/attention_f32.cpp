// Forward in tiles of 64 queries x 128 keys with a running maximum. Keys are transposed once per call, so that every
// product streams rows; few new tokens go row by row instead. Also the weights themselves, for maps.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention_job.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_f32.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/attention_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// One key block of a query block: scores, weights against the new maximum, values added.
HWY_INLINE void forward_block(const AttentionJob& job, const AttentionScratch& x, int64_t h, int64_t t0, int64_t rows,
                              int64_t block) {
  const AttentionDims& dims = job.dims;
  const int64_t kv = job.kv(h), j0 = block * kTileKeys, width = std::min(kTileKeys, dims.keys() - j0), d_v = dims.d_v;
  product(rows, width, dims.d, {job.q.at(h, t0), job.q.row, 1}, job.block_of(job.keys_t, kv, block, dims.d), kTileKeys,
          x.s, kTileKeys, false);
  for (int64_t r = 0; r < rows; ++r) {
    const glr::TileRange seen = job.seen(t0 + r, block);
    float* row = x.s + r * kTileKeys;
    clear_unseen(seen, width, row);
    if (seen.begin == seen.end) continue;
    const int64_t n = seen.end - seen.begin;
    const float top =
        scores_row(n, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), row + seen.begin);
    const float now = std::max(x.top[r], top), shrink = std::exp(x.top[r] - now);
    x.l[r] = x.l[r] * shrink + exp_row(n, now, row + seen.begin);
    if (shrink != 1) scale_row(d_v, shrink, x.sum + r * d_v);
    x.top[r] = now;
  }
  product(rows, d_v, width, {x.s, kTileKeys, 1}, job.v.at(kv, j0), job.v.row, x.sum, d_v, true);
}

void ForwardTile(const AttentionJob& job, float* scratch, int64_t h, int64_t query_block) {
  const AttentionDims& dims = job.dims;
  const AttentionScratch x(scratch, dims);
  const int64_t t0 = query_block * kTileRows, rows = std::min(kTileRows, dims.T - t0), d_v = dims.d_v;
  std::fill_n(x.sum, rows * d_v, 0.0f);
  std::fill_n(x.top, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(x.l, rows, 0.0f);
  for (int64_t b = dims.first_key(t0) / kTileKeys; b <= (dims.past + t0 + rows - 1) / kTileKeys; ++b)
    forward_block(job, x, h, t0, rows, b);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = (t0 + r) * dims.heads + h;
    scale_row(d_v, 1 / x.l[r], x.sum + r * d_v);
    std::copy_n(x.sum + r * d_v, d_v, job.y + at * d_v);
    if (job.lse_out != nullptr) job.lse_out[at] = x.top[r] + std::log(x.l[r]);
  }
}

// One query against all its keys; s [past + T].
void ForwardRow(const AttentionJob& job, float* s, int64_t h, int64_t t) {
  const AttentionDims& dims = job.dims;
  const int64_t kv = job.kv(h), first = dims.first_key(t), n = dims.past + t + 1 - first, at = t * dims.heads + h,
                d_v = dims.d_v;
  for (int64_t j = 0; j < n; ++j) s[j] = dot(dims.d, job.q.at(h, t), job.k.at(kv, first + j));
  const float top = scores_row(n, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), s);
  const float sum = exp_row(n, top, s);
  product(1, d_v, n, {s, 0, 1}, job.v.at(kv, first), job.v.row, job.y + at * d_v, d_v, false);
  scale_row(d_v, 1 / sum, job.y + at * d_v);
  if (job.lse_out != nullptr) job.lse_out[at] = top + std::log(sum);
}

// Products q . k of rows I and keys J; keys_t [d, kTileKeys] is room for transposed keys.
HWY_INLINE void products(const AttentionJob& job, float* keys_t, int64_t h, glr::TileRange I, glr::TileRange J,
                         float* out) {
  const AttentionDims& dims = job.dims;
  const int64_t columns = J.end - J.begin, kv = job.kv(h);
  if (I.end - I.begin < kFewTokens) {
    for (int64_t i = 0; i < I.end - I.begin; ++i) {
      for (int64_t j = 0; j < columns; ++j)
        out[i * columns + j] = dot(dims.d, job.q.at(h, I.begin + i), job.k.at(kv, J.begin + j));
    }
    return;
  }
  for (int64_t j0 = 0; j0 < columns; j0 += kTileKeys) {
    const int64_t width = std::min(kTileKeys, columns - j0);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t i = 0; i < dims.d; ++i) keys_t[i * kTileKeys + j] = job.k.at(kv, J.begin + j0 + j)[i];
    }
    product(I.end - I.begin, width, dims.d, {job.q.at(h, I.begin), job.q.row, 1}, keys_t, kTileKeys, out + j0, columns,
            false);
  }
}

void WeightsTile(const AttentionJob& job, float* keys_t, int64_t h, glr::TileRange I, glr::TileRange J, float* out) {
  const AttentionDims& dims = job.dims;
  const int64_t columns = J.end - J.begin;
  products(job, keys_t, h, I, J, out);
  for (int64_t t = I.begin; t < I.end; ++t, out += columns) {
    const int64_t lo = std::clamp<int64_t>(dims.first_key(t) - J.begin, 0, columns);
    const int64_t hi = std::clamp<int64_t>(dims.past + t + 1 - J.begin, lo, columns);
    clear_unseen({lo, hi}, columns, out);
    weights_row(hi - lo, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), job.lse[t * dims.heads + h],
                0, out + lo, nullptr);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(ForwardTile);
HWY_EXPORT(ForwardRow);
HWY_EXPORT(WeightsTile);

void attention_forward(const AttentionDims& dims, const AttentionInputs<float>& in, float* y, float* lse) {
  AttentionJob job{dims};
  job.q = as_held(in.q, dims.heads, dims.d);
  job.k = as_held(in.k, dims.kv_heads, dims.d);
  job.v = as_held(in.v, dims.kv_heads, dims.d_v);
  job.y = y;
  job.lse_out = lse;
  if (dims.T < kFewTokens) {
    const auto run = HS_DISPATCH(ForwardRow);
    for_tasks(dims.T * dims.heads, dims.keys(), worth_threads(dims),
              [&](int64_t i, float* s) { run(job, s, i % dims.heads, i / dims.heads); });
    return;
  }
  const std::vector<float> keys = transposed_keys(dims, in.k, dims.d);
  std::vector<float> values;
  job.keys_t = keys.data();
  job.v = packed_by_head(dims.keys(), dims.kv_heads, dims.d_v, in.v, values);
  const auto run = HS_DISPATCH(ForwardTile);
  for_tasks(dims.heads * job.query_blocks(), AttentionScratch::size(dims), worth_threads(dims),
            [&](int64_t i, float* s) { run(job, s, i % dims.heads, i / dims.heads); });
}

void attention_weights(const AttentionDims& dims, const AttentionInputs<float>& in, const float* lse, int64_t head,
                       glr::TileRange I, glr::TileRange J, float* out) {
  std::vector<float> keys(static_cast<size_t>(dims.d * kTileKeys));  // [d, kTileKeys]
  AttentionJob job{dims};
  job.q = as_held(in.q, dims.heads, dims.d);
  job.k = as_held(in.k, dims.kv_heads, dims.d);
  job.lse = lse;
  HS_DISPATCH(WeightsTile)(job, keys.data(), head, I, J, out);
}

}  // namespace hindscan::kernels
#endif
