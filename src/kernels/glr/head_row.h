// Memory of the chunked row kernels, and tokens [t0, t0 + n) of a problem as a problem of their own.
#pragma once
#include "base/arena.h"
#include "kernels/glr/head_scalar.h"
#include "kernels/glr/head_sweep.h"

namespace hindscan::kernels::glr {

constexpr int64_t kRowChunk = 32;
constexpr int64_t kRowLeast = 8;       // shorter chunks are left to the sequential kernel
constexpr float kRowRange = 60.0f;     // the log decays of a chunk sum to no less than minus this
constexpr int64_t kRowFallback = 16;   // tokens the sequential kernel takes where a chunk is not possible

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
  int64_t wide = 0;              // K rounded up
  float *high, *low;             // [1 + chunk, wide] G in two floats; row 0 is zero
  float *q, *k, *keys;           // [chunk, K], [chunk, K], [K, chunk]
  float *scores;                 // [chunk, chunk] q' k'^T
  float *base, *factor;          // [wide] e^G at the end = base + factor

  void resize(const HeadDims& d) {
    wide = whole_vectors(d.K);
    const int64_t sizes[] = {(kRowChunk + 1) * wide, (kRowChunk + 1) * wide, kRowChunk * wide, kRowChunk * wide,
                             kRowChunk * wide, kRowChunk * kRowChunk, wide, wide};
    int64_t total = 0;
    for (const int64_t size : sizes) total += size;
    if (buffer.size() < static_cast<size_t>(total) * sizeof(float)) {
      buffer = HugeBuffer(static_cast<size_t>(total) * sizeof(float));
    }
    std::fill_n(buffer.as<float>(), total, 0.0f);
    float* at = buffer.as<float>();
    int i = 0;
    for (float** p : {&high, &low, &q, &k, &keys, &scores, &base, &factor}) *p = at, at += sizes[i++];
  }
};

}  // namespace hindscan::kernels::glr
