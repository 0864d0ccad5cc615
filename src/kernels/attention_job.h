// What the float attention kernels share: the operands as tiles read them, and how tiles are shared out.
#pragma once
#include <omp.h>

#include <algorithm>
#include <vector>

#include "kernels/attention.h"

namespace hindscan::kernels {

constexpr int64_t kTileRows = 64, kTileKeys = 128;
constexpr int64_t kFewTokens = 4;  // below: row by row

// Rows of heads: as the caller holds them, or packed head by head (rows a power of two apart would share cache sets).
struct HeadRows {
  const float* data = nullptr;
  int64_t head = 0, row = 0;  // strides
  const float* at(int64_t h, int64_t t) const { return data + h * head + t * row; }
};

struct AttentionJob {
  const AttentionDims& dims;
  HeadRows q{}, k{}, v{}, dy{};
  const float *keys_t = nullptr, *values_t = nullptr;  // [kv_heads, key blocks, d or d_v, kTileKeys]
  float *y = nullptr, *lse_out = nullptr;
  const float *lse = nullptr, *along = nullptr;  // [T, heads] in the adjoint: what forward wrote, <dy, y>
  AttentionGrads<float> grads{};

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
      : s(p),
        dp(s + kTileRows * kTileKeys),
        sum(dp + kTileRows * kTileKeys),
        top(sum + kTileRows * d.d_v),
        l(top + kTileRows) {}
};

// body(task, scratch) for every task, on threads when there is enough to do; scratch [size] floats of the thread's own.
template <class Body>
void for_tasks(int64_t tasks, int64_t size, bool parallel, const Body& body) {
  const int64_t threads = parallel ? std::max<int64_t>(1, std::min<int64_t>(tasks, omp_get_max_threads())) : 1;
  std::vector<float> scratch(static_cast<size_t>(threads * size));  // [threads, size]
#pragma omp parallel for schedule(dynamic, 1) num_threads(static_cast <int>(threads)) if (threads > 1)
  for (int64_t i = 0; i < tasks; ++i) body(i, scratch.data() + omp_get_thread_num() * size);
}

// [keys, kv_heads, width] -> [kv_heads, blocks, width, kTileKeys], zeros behind the last key.
std::vector<float> transposed_keys(const AttentionDims& dims, const float* from, int64_t width);

inline HeadRows as_held(const float* data, int64_t heads, int64_t width) { return {data, width, heads * width}; }

// [rows, heads, width] -> [heads, rows, width]
HeadRows packed_by_head(int64_t rows, int64_t heads, int64_t width, const float* from, std::vector<float>& room);

// Whether a forward or backward pass is worth a fork.
bool worth_threads(const AttentionDims& dims);

}  // namespace hindscan::kernels
