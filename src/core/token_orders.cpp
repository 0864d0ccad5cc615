#include "core/token_orders.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/ops/order.h"

namespace hindscan {

static void check_grid(const Grid& g) {
  check(g.height >= 0 && g.width >= 0 && g.frames >= 0, ErrorCode::kUsage,
        "[token order] expected a grid of sizes >= 0, found {} x {} x {}", g.frames, g.height, g.width);
}

static int64_t place(const Grid& g, int64_t t, int64_t y, int64_t x) { return (t * g.height + y) * g.width + x; }

// The run from `begin` on is complete; with reset its first token starts a sequence of its own.
static void mark_run(TokenOrder& order, size_t begin, bool reset) {
  if (!reset) return;
  order.resets.resize(order.index.size(), 0);
  if (begin < order.index.size()) order.resets[begin] = 1;
}

TokenOrder row_major_order(const Grid& grid) {
  check_grid(grid);
  TokenOrder out;
  out.index.resize(static_cast<size_t>(grid.size()));
  std::iota(out.index.begin(), out.index.end(), int64_t{0});
  return out;
}

TokenOrder column_major_order(const Grid& grid) {
  check_grid(grid);
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    for (int64_t x = 0; x < grid.width; ++x) {
      for (int64_t y = 0; y < grid.height; ++y) out.index.push_back(place(grid, t, y, x));
    }
  }
  return out;
}

TokenOrder reversed_order(TokenOrder order) {
  const size_t n = order.index.size();
  std::reverse(order.index.begin(), order.index.end());
  if (order.resets.empty()) return order;
  std::vector<uint8_t> resets(n, 0);
  if (n > 0) resets[0] = order.resets[0];
  for (size_t i = 1; i < n; ++i) resets[n - i] = order.resets[i];  // a run that began at i now ends before n - i
  order.resets = std::move(resets);
  return order;
}

std::vector<TokenOrder> cross_scan_orders(const Grid& grid) {
  TokenOrder rows = row_major_order(grid), columns = column_major_order(grid);
  TokenOrder rows_back = reversed_order(rows), columns_back = reversed_order(columns);
  return {std::move(rows), std::move(columns), std::move(rows_back), std::move(columns_back)};
}

TokenOrder snake_order(const Grid& grid) {
  check_grid(grid);
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    const auto frame = out.index.size();
    for (int64_t y = 0; y < grid.height; ++y) {
      for (int64_t i = 0; i < grid.width; ++i)
        out.index.push_back(place(grid, t, y, y % 2 == 0 ? i : grid.width - 1 - i));
    }
    if (t % 2 == 1) std::reverse(out.index.begin() + static_cast<std::ptrdiff_t>(frame), out.index.end());
  }
  return out;
}

// Place (x, y) of step i of the Hilbert curve through a side x side square, side a power of two: the bits of i choose
// quadrants.
static std::pair<int64_t, int64_t> hilbert_place(int64_t side, int64_t i) {
  int64_t x = 0, y = 0;
  for (int64_t s = 1; s < side; s *= 2) {
    const int64_t rx = i / 2 % 2, ry = (i + rx) % 2;
    if (ry == 0) {
      if (rx == 1) {
        x = s - 1 - x;
        y = s - 1 - y;
      }
      std::swap(x, y);
    }
    x += s * rx;
    y += s * ry;
    i /= 4;
  }
  return {x, y};
}

TokenOrder hilbert_order(const Grid& grid) {
  check_grid(grid);
  int64_t side = 1;
  while (side < std::max(grid.height, grid.width)) side *= 2;
  std::vector<int64_t> frame;
  for (int64_t i = 0; i < side * side; ++i) {
    const auto [x, y] = hilbert_place(side, i);
    if (x < grid.width && y < grid.height) frame.push_back(y * grid.width + x);
  }
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    for (size_t i = 0; i < frame.size(); ++i) {
      out.index.push_back(t * grid.height * grid.width + frame[t % 2 == 0 ? i : frame.size() - 1 - i]);
    }
  }
  return out;
}

TokenOrder temporal_order(const Grid& grid) {
  check_grid(grid);
  TokenOrder out;
  for (int64_t p = 0; p < grid.height * grid.width; ++p) {
    for (int64_t t = 0; t < grid.frames; ++t) out.index.push_back(t * grid.height * grid.width + p);
  }
  return out;
}

TokenOrder strided_order(const Grid& grid, int64_t step, bool reset) {
  check_grid(grid);
  check(step > 0, ErrorCode::kUsage, "[token order] expected a step > 0, found {}", step);
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    for (int64_t start = 0; start < step * step; ++start) {
      const size_t begin = out.index.size();
      for (int64_t y = start / step; y < grid.height; y += step) {
        for (int64_t x = start % step; x < grid.width; x += step) out.index.push_back(place(grid, t, y, x));
      }
      mark_run(out, begin, reset);
    }
  }
  return out;
}

TokenOrder windowed_order(const Grid& grid, int64_t window_height, int64_t window_width, bool reset, bool columns) {
  check_grid(grid);
  check(window_height > 0 && window_width > 0, ErrorCode::kUsage,
        "[token order] expected windows of sizes > 0, found {} x {}", window_height, window_width);
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    for (int64_t y0 = 0; y0 < grid.height; y0 += window_height) {
      for (int64_t x0 = 0; x0 < grid.width; x0 += window_width) {
        const size_t begin = out.index.size();
        const int64_t h = std::min(window_height, grid.height - y0), w = std::min(window_width, grid.width - x0);
        for (int64_t i = 0; i < h * w; ++i) {
          const int64_t y = columns ? i % h : i / w, x = columns ? i / h : i % w;
          out.index.push_back(place(grid, t, y0 + y, x0 + x));
        }
        mark_run(out, begin, reset);
      }
    }
  }
  return out;
}

TokenOrder subsampled_order(const Grid& grid, int64_t step) {
  check_grid(grid);
  check(step > 0, ErrorCode::kUsage, "[token order] expected a step > 0, found {}", step);
  TokenOrder out;
  for (int64_t t = 0; t < grid.frames; ++t) {
    for (int64_t y = 0; y < grid.height; y += step) {
      for (int64_t x = 0; x < grid.width; x += step) out.index.push_back(place(grid, t, y, x));
    }
  }
  return out;
}

TokenOrder inverse_order(const TokenOrder& order) {
  const int64_t n = static_cast<int64_t>(order.index.size());
  TokenOrder out;
  out.index.assign(order.index.size(), -1);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = order.index[static_cast<size_t>(i)];
    check(at >= 0 && at < n && out.index[static_cast<size_t>(at)] == -1, ErrorCode::kUsage,
          "[token order] expected every token 0..{} once, found {} at {}", n - 1, at, i);
    out.index[static_cast<size_t>(at)] = i;
  }
  return out;
}

}  // namespace hindscan
