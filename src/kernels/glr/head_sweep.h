// What a sweep over tokens reads and writes (head_sweep-inl.h), and the scratch memory of one thread.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/glr/head_chunk.h"

namespace hindscan::kernels::glr {

constexpr int64_t kSweepPanel = 32;  // tokens whose inputs, outputs and decays stay in the first-level cache
constexpr float kGentle = -3.0f;     // log decays above this are held as expm1 without loss

enum class DecayAt : uint8_t { kNone, kShared, kRows, kLanes };

// Vectors of a token and a read or write: base + t token + r r.
template <class X>
struct Strided {
  X* base;
  int64_t token, r;
};

struct Sweep {
  int64_t tokens, R, rows, lanes;  // lanes: at most two vectors
  Read read;
  DecayAt at;
  bool reverse;    // from the last token to the first; decays act between write and the next read
  const float* g;  // log decays of token 0 and the distance of tokens
  int64_t g_token;
  Strided<const float> write, from;  // [rows] each
  Strided<const float> in;           // [lanes]
  const float* in_scale;             // per token, distance scale_token, or null
  int64_t scale_token;
};

// One panel of a sweep as the register tiles see it.
struct SweepPanel {
  int64_t tokens, R;
  const float *write, *read;
  int64_t write_token, write_r, read_token, read_r;
  const float *factor, *base;  // exp g = base + factor
  int64_t decay_stride;
  bool gentle;  // base is 1
  const float* in;
  float* out;
};

inline int64_t sweep_padded(int64_t lanes, int64_t vector) { return lanes > vector ? 2 * vector : vector; }

struct SweepScratch {
  HugeBuffer buffer;
  float *log, *factor, *base;  // [panel, rows or lanes]
  float *in, *out;             // [panel, R, lanes]

  void resize(int64_t R, int64_t rows) {
    const int64_t decays = kSweepPanel * std::max<int64_t>(rows, 32), values = kSweepPanel * R * 32;
    carve(&buffer, {{&log, decays}, {&factor, decays}, {&base, decays}, {&in, values}, {&out, values}});
  }
};

}  // namespace hindscan::kernels::glr
