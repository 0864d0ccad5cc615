// Tiles of 64 queries x 128 keys with a running maximum. Keys (and values in the adjoint) are transposed once per call,
// so that every product streams rows; few new tokens go row by row instead. The adjoint computes its tiles again: once by
// query blocks for dq, once by key blocks for dk and dv, so that no two threads add to the same place.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_f32.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/attention_tile-inl.h"

#ifndef HINDSCAN_ATTENTION_F32_ONCE
#define HINDSCAN_ATTENTION_F32_ONCE
namespace hindscan::kernels {

constexpr int64_t kTileRows = 64, kTileKeys = 128;
constexpr int64_t kFewTokens = 4;  // below: row by row

// Rows of heads: as the caller holds them, or packed head by head (rows a power of two apart would share cache sets).
struct HeadRows {
  const float* data;
  int64_t head, row;  // strides
  const float* at(int64_t h, int64_t t) const { return data + h * head + t * row; }
};

struct AttentionJob {
  const AttentionDims& dims;
  HeadRows q, k, v, dy;
  const float *keys_t, *values_t;  // [kv_heads, key blocks, d or d_v, kTileKeys]
  float *y, *lse_out;
  const float* lse;    // [T, heads] in the adjoint
  const float* along;  // [T, heads] <dy, y>
  AttentionGrads<float> grads;

  int64_t key_blocks() const { return (dims.keys() + kTileKeys - 1) / kTileKeys; }
  int64_t query_blocks() const { return (dims.T + kTileRows - 1) / kTileRows; }
  int64_t kv(int64_t h) const { return h / (dims.heads / dims.kv_heads); }
  const float* block_of(const float* transposed, int64_t kv_head, int64_t block, int64_t width) const {
    return transposed + (kv_head * key_blocks() + block) * width * kTileKeys;
  }
  // Columns of the key block that query t sees.
  glr::TileRange seen(int64_t t, int64_t block) const {
    const int64_t j0 = block * kTileKeys, width = std::min(kTileKeys, dims.keys() - j0);
    const int64_t lo = std::clamp<int64_t>(dims.first_key(t) - j0, 0, width);
    return {lo, std::clamp<int64_t>(dims.past + t + 1 - j0, lo, width)};
  }
};

// One thread's room.
struct AttentionScratch {
  float* s;        // [kTileRows, kTileKeys]
  float* dp;       // [kTileRows, kTileKeys]
  float* sum;      // [kTileRows, d_v]
  float *top, *l;  // [kTileRows]
  static int64_t size(const AttentionDims& d) { return 2 * kTileRows * kTileKeys + kTileRows * (d.d_v + 2); }
  explicit AttentionScratch(float* p, const AttentionDims& d)
      : s(p), dp(s + kTileRows * kTileKeys), sum(dp + kTileRows * kTileKeys), top(sum + kTileRows * d.d_v), l(top + kTileRows) {}
};

}  // namespace hindscan::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE void clear_unseen(glr::TileRange seen, int64_t width, float* row) {
  std::fill(row, row + seen.begin, 0.0f);
  std::fill(row + seen.end, row + width, 0.0f);
}

// One key block of a query block: scores, weights against the new maximum, values added.
HWY_INLINE void forward_block(const AttentionJob& job, const AttentionScratch& x, int64_t h, int64_t t0, int64_t rows, int64_t block) {
  const AttentionDims& dims = job.dims;
  const int64_t kv = job.kv(h), j0 = block * kTileKeys, width = std::min(kTileKeys, dims.keys() - j0), d_v = dims.d_v;
  product(rows, width, dims.d, {job.q.at(h, t0), job.q.row, 1}, job.block_of(job.keys_t, kv, block, dims.d), kTileKeys, x.s, kTileKeys,
          false);
  for (int64_t r = 0; r < rows; ++r) {
    const glr::TileRange seen = job.seen(t0 + r, block);
    float* row = x.s + r * kTileKeys;
    clear_unseen(seen, width, row);
    if (seen.begin == seen.end) continue;
    const int64_t n = seen.end - seen.begin;
    const float top = scores_row(n, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), row + seen.begin);
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
  for (int64_t b = dims.first_key(t0) / kTileKeys; b <= (dims.past + t0 + rows - 1) / kTileKeys; ++b) forward_block(job, x, h, t0, rows, b);
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
  const int64_t kv = job.kv(h), first = dims.first_key(t), n = dims.past + t + 1 - first, at = t * dims.heads + h, d_v = dims.d_v;
  for (int64_t j = 0; j < n; ++j) s[j] = dot(dims.d, job.q.at(h, t), job.k.at(kv, first + j));
  const float top = scores_row(n, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), s);
  const float sum = exp_row(n, top, s);
  product(1, d_v, n, {s, 0, 1}, job.v.at(kv, first), job.v.row, job.y + at * d_v, d_v, false);
  scale_row(d_v, 1 / sum, job.y + at * d_v);
  if (job.lse_out != nullptr) job.lse_out[at] = top + std::log(sum);
}

// Weights to x.s and, where wanted, the adjoint of the products to x.dp; zero where unseen.
HWY_INLINE void adjoint_block(const AttentionJob& job, const AttentionScratch& x, int64_t h, int64_t t0, int64_t rows, int64_t block,
                              bool want_dp) {
  const AttentionDims& dims = job.dims;
  const int64_t kv = job.kv(h), width = std::min(kTileKeys, dims.keys() - block * kTileKeys);
  const Strided q{job.q.at(h, t0), job.q.row, 1}, dy{job.dy.at(h, t0), job.dy.row, 1};
  product(rows, width, dims.d, q, job.block_of(job.keys_t, kv, block, dims.d), kTileKeys, x.s, kTileKeys, false);
  if (want_dp) product(rows, width, dims.d_v, dy, job.block_of(job.values_t, kv, block, dims.d_v), kTileKeys, x.dp, kTileKeys, false);
  for (int64_t r = 0; r < rows; ++r) {
    const glr::TileRange seen = job.seen(t0 + r, block);
    const int64_t at = (t0 + r) * dims.heads + h;
    float *s = x.s + r * kTileKeys, *dp = want_dp ? x.dp + r * kTileKeys : nullptr;
    clear_unseen(seen, width, s);
    if (want_dp) clear_unseen(seen, width, dp);
    weights_row(seen.end - seen.begin, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), job.lse[at], job.along[at],
                s + seen.begin, want_dp ? dp + seen.begin : nullptr);
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
  const int64_t j0 = block * kTileKeys, width = std::min(kTileKeys, dims.keys() - j0), group = dims.heads / dims.kv_heads;
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
        product(width, dims.d, rows, {x.dp, 1, kTileKeys}, job.q.at(h, t0), job.q.row, job.grads.dk + (j0 * dims.kv_heads + kv) * dims.d,
                dims.kv_heads * dims.d, true);
      }
    }
  }
}

// Products q . k of rows I and keys J; keys_t [d, kTileKeys] is room for transposed keys.
HWY_INLINE void products(const AttentionJob& job, float* keys_t, int64_t h, glr::TileRange I, glr::TileRange J, float* out) {
  const AttentionDims& dims = job.dims;
  const int64_t columns = J.end - J.begin, kv = job.kv(h);
  if (I.end - I.begin < kFewTokens) {
    for (int64_t i = 0; i < I.end - I.begin; ++i) {
      for (int64_t j = 0; j < columns; ++j) out[i * columns + j] = dot(dims.d, job.q.at(h, I.begin + i), job.k.at(kv, J.begin + j));
    }
    return;
  }
  for (int64_t j0 = 0; j0 < columns; j0 += kTileKeys) {
    const int64_t width = std::min(kTileKeys, columns - j0);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t i = 0; i < dims.d; ++i) keys_t[i * kTileKeys + j] = job.k.at(kv, J.begin + j0 + j)[i];
    }
    product(I.end - I.begin, width, dims.d, {job.q.at(h, I.begin), job.q.row, 1}, keys_t, kTileKeys, out + j0, columns, false);
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
    weights_row(hi - lo, static_cast<float>(dims.scale), static_cast<float>(dims.soft_cap), job.lse[t * dims.heads + h], 0, out + lo,
                nullptr);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(ForwardTile);
HWY_EXPORT(ForwardRow);
HWY_EXPORT(QueryGradTile);
HWY_EXPORT(KeyGradTile);
HWY_EXPORT(WeightsTile);

namespace {

constexpr int64_t kParallelScores = 1 << 14;  // products of a head's width

// body(task, scratch) for every task, on threads when there is enough to do; scratch [size] floats of the thread's own.
template <class Body>
void for_tasks(int64_t tasks, int64_t size, bool parallel, const Body& body) {
  const int64_t threads = parallel ? std::max<int64_t>(1, std::min<int64_t>(tasks, omp_get_max_threads())) : 1;
  std::vector<float> scratch(static_cast<size_t>(threads * size));  // [threads, size]
#pragma omp parallel for schedule(dynamic, 1) num_threads(static_cast <int>(threads)) if (threads > 1)
  for (int64_t i = 0; i < tasks; ++i) body(i, scratch.data() + omp_get_thread_num() * size);
}

// [keys, kv_heads, width] -> [kv_heads, blocks, width, kTileKeys], zeros behind the last key.
std::vector<float> transposed(const AttentionDims& dims, const float* from, int64_t width) {
  const int64_t blocks = (dims.keys() + kTileKeys - 1) / kTileKeys;
  std::vector<float> out(static_cast<size_t>(dims.kv_heads * blocks * width * kTileKeys), 0.0f);
#pragma omp parallel for schedule(static) if (dims.keys() * dims.kv_heads * width > (1 << 16))
  for (int64_t task = 0; task < dims.kv_heads * blocks; ++task) {
    const int64_t kv = task / blocks, j0 = task % blocks * kTileKeys, count = std::min(kTileKeys, dims.keys() - j0);
    float* to = out.data() + task * width * kTileKeys;
    for (int64_t j = 0; j < count; ++j) {
      const float* row = from + ((j0 + j) * dims.kv_heads + kv) * width;
      for (int64_t i = 0; i < width; ++i) to[i * kTileKeys + j] = row[i];
    }
  }
  return out;
}

HeadRows as_held(const float* data, int64_t heads, int64_t width) { return {data, width, heads * width}; }

// [rows, heads, width] -> [heads, rows, width]
HeadRows packed(int64_t rows, int64_t heads, int64_t width, const float* from, std::vector<float>& room) {
  room.resize(static_cast<size_t>(rows * heads * width));
#pragma omp parallel for schedule(static) if (rows * heads * width > (1 << 16))
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t t = 0; t < rows; ++t) std::copy_n(from + (t * heads + h) * width, width, room.data() + (h * rows + t) * width);
  }
  return {room.data(), rows * width, width};
}

bool worth_threads(const AttentionDims& dims) {
  return dims.T * dims.heads * std::min(dims.keys(), dims.window > 0 ? dims.window : dims.keys()) > kParallelScores;
}

}  // namespace

void attention_forward(const AttentionDims& dims, const AttentionInputs<float>& in, float* y, float* lse) {
  AttentionJob job{dims,
                   as_held(in.q, dims.heads, dims.d),
                   as_held(in.k, dims.kv_heads, dims.d),
                   as_held(in.v, dims.kv_heads, dims.d_v),
                   {},
                   nullptr,
                   nullptr,
                   y,
                   lse,
                   nullptr,
                   nullptr,
                   {}};
  if (dims.T < kFewTokens) {
    const auto run = HS_DISPATCH(ForwardRow);
    for_tasks(dims.T * dims.heads, dims.keys(), worth_threads(dims),
              [&](int64_t i, float* s) { run(job, s, i % dims.heads, i / dims.heads); });
    return;
  }
  const std::vector<float> keys = transposed(dims, in.k, dims.d);
  std::vector<float> values;
  job.keys_t = keys.data();
  job.v = packed(dims.keys(), dims.kv_heads, dims.d_v, in.v, values);
  const auto run = HS_DISPATCH(ForwardTile);
  for_tasks(dims.heads * job.query_blocks(), AttentionScratch::size(dims), worth_threads(dims),
            [&](int64_t i, float* s) { run(job, s, i % dims.heads, i / dims.heads); });
}

void attention_backward(const AttentionDims& dims, const AttentionInputs<float>& in, const float* y, const float* lse, const float* dy,
                        const AttentionGrads<float>& grads) {
  const std::vector<float> keys = transposed(dims, in.k, dims.d);
  const bool scores = grads.dq != nullptr || grads.dk != nullptr;
  const std::vector<float> values = scores ? transposed(dims, in.v, dims.d_v) : std::vector<float>();
  std::vector<float> along(static_cast<size_t>(dims.T * dims.heads));  // [T, heads]
  for (int64_t at = 0; at < dims.T * dims.heads; ++at) {
    double sum = 0;
    for (int64_t i = 0; i < dims.d_v; ++i) sum += static_cast<double>(dy[at * dims.d_v + i]) * static_cast<double>(y[at * dims.d_v + i]);
    along[static_cast<size_t>(at)] = static_cast<float>(sum);
  }
  std::vector<float> q, k, adjoint;
  const AttentionJob job{dims,
                         packed(dims.T, dims.heads, dims.d, in.q, q),
                         packed(dims.keys(), dims.kv_heads, dims.d, in.k, k),
                         {},
                         packed(dims.T, dims.heads, dims.d_v, dy, adjoint),
                         keys.data(),
                         values.data(),
                         nullptr,
                         nullptr,
                         lse,
                         along.data(),
                         grads};
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

void attention_weights(const AttentionDims& dims, const AttentionInputs<float>& in, const float* lse, int64_t head, glr::TileRange I,
                       glr::TileRange J, float* out) {
  std::vector<float> keys(static_cast<size_t>(dims.d * kTileKeys));  // [d, kTileKeys]
  const AttentionJob job{dims,
                         as_held(in.q, dims.heads, dims.d),
                         as_held(in.k, dims.kv_heads, dims.d),
                         {},
                         {},
                         nullptr,
                         nullptr,
                         nullptr,
                         nullptr,
                         lse,
                         nullptr,
                         {}};
  HS_DISPATCH(WeightsTile)(job, keys.data(), head, I, J, out);
}

}  // namespace hindscan::kernels
#endif
