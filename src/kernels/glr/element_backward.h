// One group of channels of the exact adjoint, between the driver (element_backward.cpp) and the kernels.
#pragma once
#include <cstdint>

#include "kernels/glr/element.h"
#include "kernels/glr/lanes.h"

namespace hindscan::kernels::glr {

constexpr int64_t kChunk = 16;     // tokens recomputed at a time
constexpr int64_t kMaxGroups = 8;  // a number of its own: results must not depend on the threads

struct BackwardInput {
  ElementDims dims;
  ElementCoeffs<float> coeffs;
  const float *x, *S0, *dy;
};

// What a group of `blocks` blocks works in, in floats; every part is a multiple of one cache line.
struct BackwardScratch {
  float *rate, *adjoint, *dA;  // [blocks, N, lanes]
  float* checkpoint;           // [chunks, blocks, N, lanes] state before the chunk
  float *dB, *dC;              // [kChunk, N, lanes] sums over the group's blocks

  static int64_t size(const ElementDims& dims, int64_t lanes, int64_t blocks) {
    const int64_t chunks = (dims.T + kChunk - 1) / kChunk;
    return ((3 + chunks) * blocks + 2 * kChunk) * dims.N * lanes + 16;
  }
  BackwardScratch(const ElementDims& dims, int64_t lanes, int64_t blocks, float* at) {
    const int64_t block = dims.N * lanes, chunks = (dims.T + kChunk - 1) / kChunk;
    rate = at;
    adjoint = rate + blocks * block;
    dA = adjoint + blocks * block;
    checkpoint = dA + blocks * block;
    dB = checkpoint + chunks * blocks * block;
    dC = dB + kChunk * block;
  }
};

}  // namespace hindscan::kernels::glr
