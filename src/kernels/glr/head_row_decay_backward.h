// What the chunked gradient of row transitions works on, and its memory.
#pragma once
#include <vector>

#include "kernels/glr/head_row_decay.h"

namespace hindscan::kernels::glr {

struct RowBackwardTask {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  const float *v, *S0, *dy;
  const HeadGrads<float>& grads;
  int64_t h;
  const std::vector<int64_t>& starts;  // of the chunks, T at the end
};

struct RowBackwardScratch : RowScratch {
  HugeBuffer more, states;
  int64_t columns = 0;
  float *decay, *growth;   // [chunk, wide] E at the read and 1 / E at the write
  float *w, *turned, *dw;  // [chunk, columns] s v, [V, chunk] w^T, [chunk, columns]
  float* Z;                // [chunk, chunk]
  float* LT;               // [V, wide] L'^T
  float *dq, *dk;          // [chunk, wide] through the state
  float *dq_in, *dk_in;    // [chunk, wide] within the chunk
  float* carried;          // [wide]
  float* kept = nullptr;   // [chunks, V, wide] S^T at chunk starts

  void prepare(const HeadDims& d, int64_t chunks) {
    resize(d);
    columns = whole_vectors(d.V);
    carve(&more, {{&decay, kRowChunk * wide},
                  {&growth, kRowChunk * wide},
                  {&w, kRowChunk * columns},
                  {&turned, d.V * kRowChunk},
                  {&dw, kRowChunk * columns},
                  {&Z, kRowChunk * kRowChunk},
                  {&LT, d.V * wide},
                  {&dq, kRowChunk * wide},
                  {&dk, kRowChunk * wide},
                  {&dq_in, kRowChunk * wide},
                  {&dk_in, kRowChunk * wide},
                  {&carried, wide}});
    carve(&states, {{&kept, chunks * d.V * wide}});
  }
};

}  // namespace hindscan::kernels::glr
