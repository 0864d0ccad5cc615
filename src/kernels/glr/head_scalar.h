// Memory of the chunked scalar kernels.
#pragma once
#include "base/arena.h"
#include "kernels/glr/head_chunk.h"

namespace hindscan::kernels::glr {

constexpr int64_t kChunkEntries = 64;  // reads (or writes) of one chunk

inline int64_t chunk_tokens(int64_t R) { return std::max<int64_t>(1, kChunkEntries / R); }
inline int64_t whole_vectors(int64_t n) { return (n + 15) / 16 * 16; }

struct ScalarScratch {
  HugeBuffer buffer;
  ChunkDecays decays;
  int64_t row = 0, columns = 0;   // entries of a chunk and columns of v, rounded up
  float *q, *keys;                // [n, K], [K, row]
  float *scores, *weights;        // [n, row]
  float *values, *write;          // [n, columns], [row]

  void resize(const HeadDims& d) {
    row = whole_vectors(chunk_tokens(d.R) * d.R), columns = whole_vectors(d.V);
    decays.resize(row);
    const int64_t sizes[] = {row * whole_vectors(d.K), row * d.K, row * row, row * row, row * columns, row};
    int64_t total = 0;
    for (const int64_t size : sizes) total += whole_vectors(size);
    if (buffer.size() < static_cast<size_t>(total) * sizeof(float)) {
      buffer = HugeBuffer(static_cast<size_t>(total) * sizeof(float));
    }
    std::fill_n(buffer.as<float>(), total, 0.0f);
    float* at = buffer.as<float>();
    int i = 0;
    for (float** p : {&q, &keys, &scores, &weights, &values, &write}) *p = at, at += whole_vectors(sizes[i++]);
  }
};

}  // namespace hindscan::kernels::glr
