// One sub-tile of the implicit attention, between the driver (element_tile.cpp) and the kernels (element_tile-inl.h).
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/glr/element.h"
#include "kernels/glr/lanes.h"

namespace hindscan::kernels::glr {

constexpr int64_t kTile = 64;                       // rows and columns of a sub-tile
constexpr int64_t kLeaf = 16;                       // rows and columns that are propagated directly
constexpr int64_t kTileStride = kTile + kMaxLanes;  // a vector may start in the last column

struct TileJob {
  const ElementDims& dims;
  const ElementCoeffs<float>& c;
  const ElementMixer<float>& mixer;
  ElementMap map;
  Range channels;
  Range rows, cols;   // of the sub-tile
  const double* gap;  // [channels] sum of dt strictly between reach() - 1 and rows.begin; null: near the diagonal
  float* out;         // at (rows.begin, cols.begin)
  int64_t stride;     // of out

  int64_t taps() const { return mixer.conv ? mixer.K : 1; }
  int64_t reach() const { return cols.end + taps() - 1; }  // end of the columns that the convolution reads
};

// Scratch of one thread, in bytes handed out as arrays of 64-byte multiples.
struct TileScratch {
  float *BT, *CT;      // [N, wide], [N, kTile] transposed, from cols.begin and rows.begin
  float *U, *V, *mix;  // [N, kTile], [N, wide], [N, wide] factors; mix: after the convolution, or the leaf's states
  double* sums;        // [span, kMaxLanes] running sums of dt
  double* line;        // [span] those of one channel
  float *scale, *row;  // [wide] dt * slope; [wide] one row before the convolution

  static int64_t wide(int64_t taps) { return (kTile + 2 * taps + 3 * kMaxLanes) / kMaxLanes * kMaxLanes; }
  static int64_t span(int64_t taps) { return 3 * kTile + 3 * taps; }
  static size_t bytes(int64_t N, int64_t taps) {
    const int64_t w = wide(taps);
    return static_cast<size_t>((N * (3 * w + 2 * kTile) + 2 * w) * 4 + span(taps) * (kMaxLanes + 1) * 8 + 128);
  }
  TileScratch(int64_t N, int64_t taps, float* at) {
    const int64_t w = wide(taps);
    BT = at, CT = BT + N * w, U = CT + N * kTile, V = U + N * kTile, mix = V + N * w, scale = mix + N * w;
    row = scale + w;
    sums = static_cast<double*>(static_cast<void*>(row + w));
    line = sums + span(taps) * kMaxLanes;
  }
};

}  // namespace hindscan::kernels::glr
