// Orders in which state-space models read the tokens of images and video, as lists of token numbers. A grid is stored
// row-major, video frame by frame: token (t, y, x) of [T, H, W] is (t * H + y) * W + x.
#pragma once
#include <cstdint>
#include <vector>

#include "core/ops/order.h"

namespace hindscan {

struct Grid {
  int64_t height = 1, width = 1, frames = 1;
  int64_t size() const { return height * width * frames; }
};

TokenOrder row_major_order(const Grid& grid);
TokenOrder column_major_order(const Grid& grid);  // within every frame
TokenOrder reversed_order(TokenOrder order);      // back to front; resets move to where a run now begins
// VMamba (arXiv 2401.10166): rows, columns, and both reversed.
std::vector<TokenOrder> cross_scan_orders(const Grid& grid);
TokenOrder snake_order(const Grid& grid);  // every other row back to front, every other frame too: neighbours touch
// Hilbert curve through each frame; sizes that are no powers of two skip what lies outside. Every other frame runs
// back.
TokenOrder hilbert_order(const Grid& grid);
// Video: all frames of one place before the next place (VideoMamba's temporal-first scan).
TokenOrder temporal_order(const Grid& grid);
// EfficientVMamba (arXiv 2403.09977): the tokens (y0 + i step, x0 + j step) for each start in turn, step * step runs a
// frame; reset: each run is a sequence of its own.
TokenOrder strided_order(const Grid& grid, int64_t step, bool reset);
// LocalMamba (arXiv 2403.09338): window by window, row-major (or column-major) inside; windows at the border may be
// smaller.
TokenOrder windowed_order(const Grid& grid, int64_t window_height, int64_t window_width, bool reset,
                          bool columns = false);
// Tokens (y, x) for y, x = 0, step, ..: fewer tokens, in row-major order.
TokenOrder subsampled_order(const Grid& grid, int64_t step);

// index -> place: out.index[order.index[i]] = i. Error(kUsage) unless the order is a permutation. No resets.
TokenOrder inverse_order(const TokenOrder& order);

}  // namespace hindscan
