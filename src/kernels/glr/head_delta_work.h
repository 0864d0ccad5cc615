// Scratch of the chunked rank-1 kernels: one chunk of one head, padded to whole vectors so that no loop has a tail.
#pragma once
#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cstdint>

#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

constexpr int64_t kDeltaChunk = 16;              // tokens whose products of decays are formed pair by pair
constexpr int64_t kDeltaPair = 2 * kDeltaChunk;  // two kinds of reads (q, c) or writes (b, k) side by side
constexpr int64_t kDeltaStates = 1 << 16;        // numbers in the states of a segment that stay near the processor
constexpr int64_t kDeltaRound = 16;              // K and V are padded to a multiple of this

inline int64_t delta_round(int64_t n) { return (n + kDeltaRound - 1) / kDeltaRound * kDeltaRound; }

// Chunks between kept states of the backward pass: as many states are kept as are recomputed at a time, or more where
// they are small.
inline int64_t delta_segment(const HeadDims& d) {
  const int64_t chunks = (d.T + kDeltaChunk - 1) / kDeltaChunk, state = delta_round(d.K) * delta_round(d.V);
  int64_t root = 1;
  while (root * root < chunks) ++root;
  return std::max({int64_t{1}, std::min(chunks, kDeltaStates / state), root});
}

// One head of a problem.
struct DeltaHead {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  int64_t h;

  int64_t key_at(int64_t t) const { return (t * d.G + h / (d.H / d.G)) * d.K; }
  int64_t value_at(int64_t t) const { return (t * d.H + h) * d.V; }
  int64_t head_at(int64_t t) const { return t * d.H + h; }
  int64_t row_at(int64_t t) const { return head_at(t) * d.K; }
};

// The coefficients of one chunk, [C, Kp] each, zeros beyond the tokens and beyond K (ones for a), and what follows from
// them. C = kDeltaChunk. Reads: q and c; writes: b and s k.
struct DeltaChunk {
  int64_t Kp, Vp, n = 0;      // n: tokens of this chunk
  bool tied = false;          // b = -s k in every token, and the two writes are taken as one
  float *a, *reads, *writes;  // [C, Kp], [2C, Kp] q then c, [2C, Kp] b then s k
  float* reads0;              // [2C, Kp] the reads times the decays since the state before the chunk
  float* whole;               // [Kp] the decay of the whole chunk
  float* end;                 // [Kp, 2C] the writes times the decays up to the end of the chunk, transposed
  float* scores;              // [2C, 2C] reads x writes: q sees its own token, c only those before
  float* S;                   // [Kp, Vp] state
  float* WV;                  // [2C, Vp] w_j = c_j^T diag(a_j) S_{j-1}, then v_j
  float* YE;                  // [2C, Vp] y, then the right hand side of w

  static int64_t size(int64_t Kp, int64_t Vp) {
    return kDeltaChunk * Kp * 7 + Kp + kDeltaPair * Kp + kDeltaPair * kDeltaPair + Kp * Vp + 2 * kDeltaPair * Vp + 64;
  }
  DeltaChunk(const HeadDims& d, float* at) : Kp(delta_round(d.K)), Vp(delta_round(d.V)) {
    const auto take = [&](int64_t count) {
      float* p = at;
      at += count;
      return p;
    };
    a = take(kDeltaChunk * Kp), reads = take(kDeltaPair * Kp), writes = take(kDeltaPair * Kp),
    reads0 = take(kDeltaPair * Kp);
    whole = take(delta_round(Kp)), end = take(kDeltaPair * Kp), scores = take(kDeltaPair * kDeltaPair);
    S = take(Kp * Vp), WV = take(kDeltaPair * Vp), YE = take(kDeltaPair * Vp);
  }
};

// What the adjoint of a chunk adds.
struct DeltaAdjoint {
  float* L;               // [Kp, Vp] adjoint of the state after the chunk
  float* dYZ;             // [2C, Vp] dy, then the adjoint of w
  float* dwrites;         // [2C, Vp] the right hand side of z, then dv
  float *WVT, *dYZT;      // [Vp, 2C]
  float* dscores;         // [2C, 2C]
  float* turned;          // [Kp, 2C]
  float *dreads0, *dend;  // [2C, Kp] adjoints of DeltaChunk's reads0 and end
  float *dreads, *dkeys;  // [2C, Kp] of q and c, of b and s k
  float* dg;              // [C, Kp]
  float* through;         // [Kp]

  static int64_t size(int64_t Kp, int64_t Vp) {
    return Kp * Vp + 4 * kDeltaPair * Vp + kDeltaPair * kDeltaPair + 5 * kDeltaPair * Kp + kDeltaChunk * Kp + Kp;
  }
  DeltaAdjoint(int64_t Kp, int64_t Vp, float* at) {
    const auto take = [&](int64_t count) {
      float* p = at;
      at += count;
      return p;
    };
    L = take(Kp * Vp), dYZ = take(kDeltaPair * Vp), dwrites = take(kDeltaPair * Vp);
    WVT = take(kDeltaPair * Vp), dYZT = take(kDeltaPair * Vp), dscores = take(kDeltaPair * kDeltaPair);
    turned = take(kDeltaPair * Kp), dreads0 = take(kDeltaPair * Kp), dend = take(kDeltaPair * Kp);
    dreads = take(kDeltaPair * Kp), dkeys = take(kDeltaPair * Kp), dg = take(kDeltaChunk * Kp), through = take(Kp);
  }
};

// [rows, cols] into a padded [padded_rows, stride], zeros beyond; and back.
inline void copy_in(const float* from, int64_t rows, int64_t cols, float* to, int64_t padded_rows, int64_t stride) {
  for (int64_t r = 0; r < padded_rows; ++r) {
    float* row = to + r * stride;
    const int64_t count = r < rows ? cols : 0;
    std::copy_n(from + (r < rows ? r * cols : 0), count, row);
    std::fill(row + count, row + stride, 0.0f);
  }
}
inline void copy_out(const float* from, int64_t stride, int64_t rows, int64_t cols, float* to) {
  for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * stride, cols, to + r * cols);
}

// body(h) for every head; heads that share q and k stay on one thread and in order.
template <class Body>
void for_delta_heads(const HeadDims& d, bool shared_output, const Body& body) {
  const int64_t per_group = shared_output ? d.H / std::max<int64_t>(1, d.G) : 1,
                groups = d.H / std::max<int64_t>(1, per_group);
#pragma omp parallel for schedule(static) if (groups > 1 && d.T * d.H * d.K * d.V >= (1 << 18))
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t i = 0; i < per_group; ++i) body(group * per_group + i);
  }
}

}  // namespace hindscan::kernels::glr
