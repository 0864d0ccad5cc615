#include "explain/matrix_fill.h"

#include <algorithm>
#include <numeric>

#include "base/signals.h"
#include "base/threads.h"

namespace hindscan {

namespace {

// Tiles of at most kTile rows of a part, handed out from the top left: sink(I, J, values) in rows of the
// arrays.
template <class R, class Sink>
void each_tile(const Part<R>& part, const MatrixRequest& r, TokenRange rows, TokenRange cols, Sink&& sink) {
  rows = {std::max(rows.begin, part.begin), std::min(rows.end, part.end)};
  cols = {std::max(cols.begin, part.begin), std::min(cols.end, part.end)};
  if (rows.begin >= rows.end || cols.begin >= cols.end) return;
  const int64_t wide = std::min(cols.end - cols.begin, tile_cols(rows.end - rows.begin));
  std::vector<R> tile(static_cast<size_t>(std::min(rows.end - rows.begin, kTile) * wide));
  ProgressTask progress(r.progress, "matrix", "rows", static_cast<uint64_t>(rows.end - rows.begin));
  for (int64_t i = rows.begin; i < rows.end; i += kTile) {
    for (int64_t j = cols.begin; j < cols.end; j += wide) {
      throw_if_stopped();
      reconsider_threads();
      const TokenRange I{i, std::min(i + kTile, rows.end)}, J{j, std::min(j + wide, cols.end)};
      if (J.begin >= I.end) break;  // above the diagonal
      part.window->tile(r.map, r.channel, {I.begin - part.begin, I.end - part.begin},
                        {J.begin - part.begin, J.end - part.begin}, tile.data());
      sink(I, J, tile.data());
    }
    progress.set(static_cast<uint64_t>(std::min(i + kTile, rows.end) - rows.begin));
  }
}

template <class R>
void fill_tiles(const Part<R>& part, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  each_tile(part, r, p.rows, p.cols, [&](TokenRange I, TokenRange J, const R* tile) {
    for (int64_t i = I.begin; i < I.end; ++i) {
      float* row = out.values.data() + (i - p.rows.begin) * out.cols - p.cols.begin;
      for (int64_t j = J.begin; j < J.end; ++j) row[j] = static_cast<float>(*tile++);
    }
  });
}

// All entries of a reordered text, added up in its own coordinates: values [T, T].
template <class R>
std::vector<double> text_matrix(const Collected<R>& c, const MatrixRequest& r, const MatrixPlan& p) {
  std::vector<double> values(static_cast<size_t>(p.T * p.T), 0.0);
  std::vector<std::vector<std::pair<int64_t, double>>> places;  // of each row of the arrays
  for (const std::vector<double>& row : c.to_text) {
    places.emplace_back();
    for (size_t t = 0; t < row.size(); ++t) {
      if (row[t] != 0) places.back().emplace_back(static_cast<int64_t>(t), row[t]);
    }
  }
  for (const Part<R>& part : c.parts) {
    each_tile(part, r, {part.begin, part.end}, {part.begin, part.end}, [&](TokenRange I, TokenRange J, const R* tile) {
      for (int64_t i = I.begin; i < I.end; ++i) {
        for (int64_t j = J.begin; j < J.end; ++j, ++tile) {
          for (const auto& [row, a] : places[static_cast<size_t>(i)]) {
            for (const auto& [col, b] : places[static_cast<size_t>(j)])
              values[static_cast<size_t>(row * p.T + col)] += a * b * static_cast<double>(*tile);
          }
        }
      }
    });
  }
  return values;
}

std::vector<int64_t> blocks_of(const std::vector<int64_t>& edges, int64_t T) {
  std::vector<int64_t> out(static_cast<size_t>(T));
  for (size_t b = 0; b + 1 < edges.size(); ++b)
    std::fill(out.begin() + edges[b], out.begin() + edges[b + 1], static_cast<int64_t>(b));
  return out;
}

template <class R>
void fill_reordered(const Collected<R>& c, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  const std::vector<double> all = text_matrix(c, r, p);
  if (r.blocks == 0) {
    for (int64_t i = 0; i < out.rows * out.cols; ++i)
      out.values[static_cast<size_t>(i)] = static_cast<float>(
          all[static_cast<size_t>((p.rows.begin + i / out.cols) * p.T + p.cols.begin + i % out.cols)]);
    return;
  }
  const std::vector<int64_t> block = blocks_of(out.edges, p.T);
  std::vector<double> sums(out.values.size(), 0.0);
  for (int64_t i = 0; i < p.T * p.T; ++i)
    sums[static_cast<size_t>(block[static_cast<size_t>(i / p.T)] * r.blocks + block[static_cast<size_t>(i % p.T)])] +=
        all[static_cast<size_t>(i)];
  std::transform(sums.begin(), sums.end(), out.values.begin(), [](double v) { return static_cast<float>(v); });
}

// Exact block sums where no linear-time form exists: every entry is visited once.
template <class R>
void sum_tiles(const Part<R>& part, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  std::vector<double> sums(out.values.size(), 0.0);  // [blocks, blocks]
  const std::vector<int64_t> block = blocks_of(out.edges, p.T);
  each_tile(part, r, p.rows, p.cols, [&](TokenRange I, TokenRange J, const R* tile) {
    for (int64_t i = I.begin; i < I.end; ++i) {
      double* row = sums.data() + block[static_cast<size_t>(i)] * r.blocks;
      for (int64_t j = J.begin; j < J.end; ++j) row[block[static_cast<size_t>(j)]] += static_cast<double>(*tile++);
    }
  });
  std::transform(sums.begin(), sums.end(), out.values.begin(), [](double v) { return static_cast<float>(v); });
}

template <class R>
void fill_bounds(const Part<R>& part, const MatrixRequest& r, MatrixResult& out) {
  std::vector<R> lower(out.values.size()), upper(out.values.size());  // [blocks, blocks]
  part.window->block_bounds(r.map, out.edges.data(), r.blocks, lower.data(), upper.data());
  out.values.clear();
  out.lower.assign(lower.begin(), lower.end());
  out.upper.assign(upper.begin(), upper.end());
  const double sum_lower = std::accumulate(lower.begin(), lower.end(), 0.0),
               sum_upper = std::accumulate(upper.begin(), upper.end(), 0.0);
  out.tightness = sum_upper == 0 ? 1.0 : sum_lower / sum_upper;
}

template <class R>
void fill_blocks(const Part<R>& part, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  std::vector<R> sums(out.values.size());  // [blocks, blocks]
  if (part.window->block_sums(r.map, r.channel, out.edges.data(), r.blocks, sums.data()))
    out.values.assign(sums.begin(), sums.end());
  else
    sum_tiles(part, r, p, out);
}

}  // namespace

template <class R>
void fill_matrix(const Collected<R>& c, const MatrixRequest& r, const MatrixPlan& p, bool bounded, MatrixResult& out) {
  if (!c.to_text.empty())
    fill_reordered(c, r, p, out);
  else if (bounded)
    fill_bounds(c.parts[0], r, out);
  else if (r.blocks > 0)
    fill_blocks(c.parts[0], r, p, out);
  else
    fill_tiles(c.parts[0], r, p, out);
}

template void fill_matrix(const Collected<float>&, const MatrixRequest&, const MatrixPlan&, bool, MatrixResult&);
template void fill_matrix(const Collected<double>&, const MatrixRequest&, const MatrixPlan&, bool, MatrixResult&);

}  // namespace hindscan
