#include "kernels/attention_job.h"

namespace hindscan::kernels {

std::vector<float> transposed_keys(const AttentionDims& dims, const float* from, int64_t width) {
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

HeadRows packed_by_head(int64_t rows, int64_t heads, int64_t width, const float* from, std::vector<float>& room) {
  room.resize(static_cast<size_t>(rows * heads * width));
#pragma omp parallel for schedule(static) if (rows * heads * width > (1 << 16))
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t t = 0; t < rows; ++t)
      std::copy_n(from + (t * heads + h) * width, width, room.data() + (h * rows + t) * width);
  }
  return {room.data(), rows * width, width};
}

constexpr int64_t kParallelScores = 1 << 14;  // products of a head's width

bool worth_threads(const AttentionDims& dims) {
  return dims.T * dims.heads * std::min(dims.keys(), dims.window > 0 ? dims.window : dims.keys()) > kParallelScores;
}

}  // namespace hindscan::kernels
