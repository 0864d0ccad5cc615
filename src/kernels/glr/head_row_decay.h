// Memory of the chunked row kernels, and tokens [t0, t0 + n) of a problem as a problem of their own.
#pragma once
#include "kernels/glr/head_scalar.h"
#include "kernels/glr/head_sweep.h"

namespace hindscan::kernels::glr {

constexpr int64_t kRowChunk = 32;
constexpr int64_t kRowLeast = 8;      // shorter chunks are left to the sequential kernel
constexpr float kRowRange = 60.0f;    // the log decays of a chunk sum to no less than minus this
constexpr int64_t kRowFallback = 16;  // tokens the sequential kernel takes where a chunk is not possible

inline HeadDims slice(const HeadDims& d, int64_t n) { return {n, d.H, d.G, d.K, d.V, d.R}; }
inline HeadCoeffs<float> slice(const HeadDims& d, const HeadCoeffs<float>& c, int64_t t0) {
  HeadCoeffs<float> part = c;
  part.q += t0 * d.R * d.G * d.K, part.k += t0 * d.R * d.G * d.K;
  if (c.g) part.g += t0 * d.H * (c.decay == DecayShape::kRow ? d.K : 1);
  if (c.s) part.s += t0 * d.H;
  if (c.u && c.read == Read::kDecayed) part.u += t0 * d.H;
  return part;
}

// One chunk: q' = q e^G up to the read, k' = s k e^-G, G the log decays since the chunk's start (<= 0).
struct RowScratch {
  HugeBuffer buffer;
  int64_t wide = 0;      // K rounded up
  float *high, *low;     // [1 + chunk, wide] G in two floats; row 0 is zero
  float *q, *k, *keys;   // [chunk, K], [chunk, K], [K, chunk]
  float* scores;         // [chunk, chunk] q' k'^T
  float *base, *factor;  // [wide] e^G at the end = base + factor

  void resize(const HeadDims& d) {
    wide = whole_vectors(d.K);
    carve(&buffer, {{&high, (kRowChunk + 1) * wide},
                    {&low, (kRowChunk + 1) * wide},
                    {&q, kRowChunk * wide},
                    {&k, kRowChunk * wide},
                    {&keys, kRowChunk * wide},
                    {&scores, kRowChunk * kRowChunk},
                    {&base, wide},
                    {&factor, wide}});
    std::fill_n(high, wide, 0.0f);
    std::fill_n(low, wide, 0.0f);
  }
};

}  // namespace hindscan::kernels::glr
