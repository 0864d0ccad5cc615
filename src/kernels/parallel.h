// How kernels share work: fixed pieces whose results do not depend on who computes them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace hindscan::kernels {

constexpr int64_t kParallelElements = 32768;  // below this a fork-join costs more than it saves

// body(begin, end) over [0, n) in pieces of `piece`; work is the number of elements touched.
template <class Body>
void for_pieces(int64_t n, int64_t piece, int64_t work, const Body& body) {
  const int64_t pieces = (n + piece - 1) / piece;
#pragma omp parallel for schedule(static) if (work >= kParallelElements && pieces > 1)
  for (int64_t p = 0; p < pieces; ++p) body(p * piece, std::min(n, (p + 1) * piece));
}

template <class Body>
void for_elements(int64_t n, const Body& body) {
  for_pieces(n, 8192, n, body);
}

// Rows of width C; a piece holds about 8192 elements.
template <class Body>
void for_rows(int64_t T, int64_t C, const Body& body) {
  for_pieces(T, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, C)), T * C, body);
}

constexpr int64_t kReduceRows = 128;

// Sums over rows: body(begin, end, partial) adds its rows to a zeroed partial [width]; the partials of the fixed row
// blocks are added to out in order.
template <class R, class Body>
void reduce_rows(int64_t T, int64_t C, int64_t width, R* out, const Body& body) {
  const int64_t blocks = (T + kReduceRows - 1) / kReduceRows;
  std::vector<R> partials(static_cast<size_t>(blocks * width), R(0));  // [blocks, width]
  for_pieces(T, kReduceRows, T * C,
             [&](int64_t begin, int64_t end) { body(begin, end, partials.data() + begin / kReduceRows * width); });
  for (int64_t b = 0; b < blocks; ++b) {
    const R* partial = partials.data() + b * width;
    for (int64_t i = 0; i < width; ++i) out[i] += partial[i];
  }
}

}  // namespace hindscan::kernels
