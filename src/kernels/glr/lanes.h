// What the lane kernels and their drivers agree on.
#pragma once
#include <algorithm>
#include <cstdint>

namespace hindscan::kernels::glr {

constexpr int64_t kMaxLanes = 16;  // channels of one block
constexpr int64_t kMaxStates = 256;
constexpr float kLimit = 1e6f;  // of dt and of |A| log2(e) inside exp(dt A); beyond it the factor is 0 or 1 anyway

constexpr int64_t kParallelUpdates = 1 << 18;  // state updates below which a fork-join costs more than it saves

// Channels [first, first + count) handled together.
struct Channels {
  int64_t first, count;
};

// Lanes of the dispatched kernels.
int64_t lane_count();

inline int64_t block_count(int64_t D, int64_t lanes) { return (D + lanes - 1) / lanes; }
inline Channels channel_block(int64_t D, int64_t lanes, int64_t b) {
  return {b * lanes, std::min(lanes, D - b * lanes)};
}

}  // namespace hindscan::kernels::glr
