// What the chunked head kernels share: the decays of a chunk of tokens, summed in double, and its memory.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

inline int64_t whole_vectors(int64_t n) { return (n + 15) / 16 * 16; }

// Places arrays of the given lengths in a buffer, which grows as needed. Scratch memory lives as long as its thread:
// fresh pages would cost more than a short sequence. Contents are undefined, but finite after the first use.
inline void carve(HugeBuffer* buffer, std::initializer_list<std::pair<float**, int64_t>> arrays) {
  int64_t total = 0;
  for (const auto& [pointer, size] : arrays) total += whole_vectors(size);
  if (buffer->size() < static_cast<size_t>(total) * sizeof(float)) {
    *buffer = HugeBuffer();
    *buffer = HugeBuffer(static_cast<size_t>(total) * sizeof(float));
    std::fill_n(buffer->as<float>(), total, 0.0f);
  }
  float* at = buffer->as<float>();
  for (const auto& [pointer, size] : arrays) *pointer = at, at += whole_vectors(size);
}

constexpr size_t kKeptBytes = size_t{8} << 20;  // larger buffers go back to the system after each call

constexpr float kForgets = -104.0f;  // below, exp is 0 in float: the state is reset

// Decays within one chunk of one head, scalar transitions. Tokens i, j count from the chunk's start.
struct ChunkDecays {
  std::vector<float> high, low;  // [n] sum of the log decays up to and with token i, in two floats; resets left out
  std::vector<float> read_high, read_low;  // the same up to where token i is read
  std::vector<int64_t> since;  // [n] first token whose write the read of token i still sees; -1: the carried state too
  std::vector<float> from_start;  // [n] weight of the carried state in the read of token i
  std::vector<float> to_end;      // [n] weight of token j's write in the state after the chunk
  float base, factor;             // weight of the carried state after the chunk: base + factor

  void resize(int64_t n) {
    for (std::vector<float>* x : {&high, &low, &read_high, &read_low, &from_start, &to_end}) {
      x->resize(static_cast<size_t>(n));
    }
    since.resize(static_cast<size_t>(n));
  }
};

inline void split(double x, float* high, float* low) {
  *high = static_cast<float>(x), *low = static_cast<float>(x - static_cast<double>(*high));
}

// `out` holds at least tokens * repeat entries. g (may be null) of token 0 of the chunk, distance `step`; `repeat`
// entries a token (its writes).
inline void chunk_decays(const float* g, int64_t step, int64_t tokens, int64_t repeat, Read read, ChunkDecays* out) {
  double sum = 0;
  int64_t reset = -1;
  for (int64_t t = 0; t < tokens; ++t) {
    const double before = sum;
    const int64_t reset_before = reset;
    if (g && g[t * step] < kForgets) reset = t * repeat;
    if (g && g[t * step] >= kForgets) sum += static_cast<double>(g[t * step]);
    const double at_read = read == Read::kBefore ? before : sum;
    const int64_t seen = read == Read::kBefore ? reset_before : reset;
    for (int64_t i = t * repeat; i < (t + 1) * repeat; ++i) {
      const size_t at = static_cast<size_t>(i);
      split(sum, &out->high[at], &out->low[at]);
      split(at_read, &out->read_high[at], &out->read_low[at]);
      out->since[at] = seen;
      out->from_start[at] = seen < 0 ? static_cast<float>(std::exp(at_read)) : 0.0f;
      out->to_end[at] = static_cast<float>(sum);  // completed below
    }
  }
  double running = 0;  // from the token to the end
  for (int64_t t = tokens - 1; t >= 0; --t) {
    const float weight = t * repeat >= reset ? static_cast<float>(std::exp(running)) : 0.0f;
    std::fill_n(out->to_end.begin() + t * repeat, repeat, weight);
    if (g && g[t * step] >= kForgets) running += static_cast<double>(g[t * step]);
  }
  const bool slow = sum > -0.7;
  out->base = reset < 0 && slow ? 1.0f : 0.0f;
  out->factor = reset < 0 ? static_cast<float>(slow ? std::expm1(sum) : std::exp(sum)) : 0.0f;
}

}  // namespace hindscan::kernels::glr
