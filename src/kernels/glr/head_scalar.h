// Memory of the chunked scalar kernels.
#pragma once
#include "kernels/glr/head_chunk.h"

namespace hindscan::kernels::glr {

constexpr int64_t kChunkEntries = 64;  // reads (or writes) of one chunk

inline int64_t chunk_tokens(int64_t R) { return std::max<int64_t>(1, kChunkEntries / R); }

struct ScalarScratch {
  HugeBuffer buffer;
  ChunkDecays decays;
  int64_t row = 0, columns = 0;  // entries of a chunk and columns of v, rounded up
  float *q, *keys;               // [n, K], [K, row]
  float *scores, *weights;       // [n, row]
  float *values, *write;         // [n, columns], [row]

  void resize(const HeadDims& d) {
    row = whole_vectors(chunk_tokens(d.R) * d.R), columns = whole_vectors(d.V);
    decays.resize(row);
    carve(&buffer, {{&q, row * whole_vectors(d.K)},
                    {&keys, row * d.K},
                    {&scores, row * row},
                    {&weights, row * row},
                    {&values, row * columns},
                    {&write, row}});
  }
};

}  // namespace hindscan::kernels::glr
