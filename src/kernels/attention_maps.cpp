// Rows, tiles and block sums of attention weights, from tiles of one head.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention.h"

namespace hindscan::kernels {

namespace {

using glr::HeadMap;
using glr::TileRange;

constexpr int64_t kRows = 64, kColumns = 512;  // of a tile

// body(I, J, p) for the tiles of rows x columns of one head that hold anything.
template <class R, class Body>
void for_tiles(const AttentionDims& dims, const AttentionInputs<R>& in, const R* lse, int64_t head, TileRange rows,
               TileRange columns, std::vector<R>& p, const Body& body) {
  p.resize(static_cast<size_t>(kRows * kColumns));  // [I, J]
  for (int64_t i = rows.begin; i < rows.end; i += kRows) {
    const TileRange I{i, std::min(rows.end, i + kRows)};
    const int64_t first = std::max(columns.begin, dims.first_key(i)), end = std::min(columns.end, dims.past + I.end);
    for (int64_t j = first; j < end; j += kColumns) {
      const TileRange J{j, std::min(end, j + kColumns)};
      attention_weights(dims, in, lse, head, I, J, p.data());
      body(I, J, p.data());
    }
  }
}

template <class R>
void row(const AttentionDims& dims, const AttentionInputs<R>& in, const R* lse, int64_t head, int64_t t, R* out) {
  std::fill_n(out, dims.keys(), R(0));
  const int64_t first = head < 0 ? 0 : head, last = head < 0 ? dims.heads : head + 1;
  const R factor = R(1) / static_cast<R>(last - first);
  std::vector<R> p;
  for (int64_t h = first; h < last; ++h) {
    for_tiles(dims, in, lse, h, {t, t + 1}, {0, dims.keys()}, p, [&](TileRange, TileRange J, const R* w) {
      for (int64_t j = J.begin; j < J.end; ++j) out[j] += factor * w[j - J.begin];
    });
  }
}

template <class R>
void row_times(const AttentionDims& dims, const AttentionInputs<R>& in, const R* lse, const R* w, R* out) {
  std::fill_n(out, dims.keys() * dims.heads, R(0));
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t h = 0; h < dims.heads; ++h) {
    std::vector<R> p;
    for_tiles(dims, in, lse, h, {0, dims.T}, {0, dims.keys()}, p, [&](TileRange I, TileRange J, const R* a) {
      for (int64_t t = I.begin; t < I.end; ++t) {
        for (int64_t j = J.begin; j < J.end; ++j) out[j * dims.heads + h] += w[t * dims.heads + h] * *a++;
      }
    });
  }
}

template <class R>
R mapped(HeadMap map, R x) {
  return map == HeadMap::kMeanAbs ? std::abs(x) : map == HeadMap::kMeanPositive ? std::max(x, R(0)) : x;
}

template <class R>
void tile(const AttentionDims& dims, const AttentionInputs<R>& in, const R* lse, HeadMap map, int64_t head, TileRange I,
          TileRange J, const glr::HeadTileFold<R>& fold, R* out) {
  const int64_t rows = I.end - I.begin, columns = J.end - J.begin, H = dims.heads;
  const int64_t first = map == HeadMap::kOne ? head : 0, last = map == HeadMap::kOne ? head + 1 : H;
  const R factor = R(1) / static_cast<R>(last - first);
  std::fill_n(out, rows * columns, R(0));
  std::vector<R> p(static_cast<size_t>(rows * columns));  // [I, J]
  for (int64_t h = first; h < last; ++h) {
    attention_weights(dims, in, lse, h, I, J, p.data());
    for (int64_t i = 0; i < rows; ++i) {
      const R gate = fold.gate == nullptr ? R(1) : fold.gate[(I.begin + i) * H + h];
      for (int64_t j = 0; j < columns; ++j) {
        const R slope = fold.slope == nullptr ? R(1) : fold.slope[(J.begin + j) * H + h];
        out[i * columns + j] += factor * mapped(map, gate * p[static_cast<size_t>(i * columns + j)] * slope);
      }
    }
  }
}

template <class R>
void block_sums(const AttentionDims& dims, const AttentionInputs<R>& in, const R* lse, int64_t head,
                const int64_t* row_edges, int64_t rows, const int64_t* column_edges, int64_t columns, R* out) {
  const int64_t first = head < 0 ? 0 : head, last = head < 0 ? dims.heads : head + 1;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t a = 0; a < rows; ++a) {
    std::vector<R> p;
    for (int64_t b = 0; b < columns; ++b) {
      double sum = 0;
      for (int64_t h = first; h < last; ++h) {
        for_tiles(dims, in, lse, h, {row_edges[a], row_edges[a + 1]}, {column_edges[b], column_edges[b + 1]}, p,
                  [&](TileRange I, TileRange J, const R* w) {
                    for (int64_t i = 0; i < (I.end - I.begin) * (J.end - J.begin); ++i)
                      sum += static_cast<double>(w[i]);
                  });
      }
      out[a * columns + b] = static_cast<R>(sum / static_cast<double>(last - first));
    }
  }
}

}  // namespace

#define HS_DEFINE(R)                                                                                                 \
  void attention_row(const AttentionDims& d, const AttentionInputs<R>& in, const R* lse, int64_t head, int64_t t,    \
                     R* out) {                                                                                       \
    row(d, in, lse, head, t, out);                                                                                   \
  }                                                                                                                  \
  void attention_row_times(const AttentionDims& d, const AttentionInputs<R>& in, const R* lse, const R* w, R* out) { \
    row_times(d, in, lse, w, out);                                                                                   \
  }                                                                                                                  \
  void attention_tile(const AttentionDims& d, const AttentionInputs<R>& in, const R* lse, HeadMap map, int64_t head, \
                      TileRange I, TileRange J, const glr::HeadTileFold<R>& fold, R* out) {                          \
    tile(d, in, lse, map, head, I, J, fold, out);                                                                    \
  }                                                                                                                  \
  void attention_block_sums(const AttentionDims& d, const AttentionInputs<R>& in, const R* lse, int64_t head,        \
                            const int64_t* row_edges, int64_t rows, const int64_t* column_edges, int64_t columns,    \
                            R* out) {                                                                                \
    block_sums(d, in, lse, head, row_edges, rows, column_edges, columns, out);                                       \
  }
HS_DEFINE(float)
HS_DEFINE(double)
#undef HS_DEFINE

}  // namespace hindscan::kernels
