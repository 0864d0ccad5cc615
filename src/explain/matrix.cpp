#include "explain/matrix.h"

#include <algorithm>
#include <numeric>

#include "base/signals.h"
#include "explain/matrix_plan.h"
#include "explain/matrix_window.h"
#include "explain/reverse_walk.h"

namespace hindscan {

namespace glr = kernels::glr;

namespace {

constexpr int64_t kTile = 512;

// Channels and states of a layer, from the state a one-token pass leaves.
template <class R>
glr::ElementDims layer_dims(const Model& model, const MatrixRequest& r, int layer) {
  WalkPlan plan;
  plan.tokens = std::span(r.tokens).first(1);
  glr::ElementDims dims{0, 0, 0};
  ReverseWalk(model, plan)
      .run_forward(
          [&](Ctx& ctx, Var, int64_t, int64_t) {
            for (const MixerScope& scope : ctx.mixers()) {
              if (scope.layer == layer) dims = ElementView<R>(ctx, scope).dims();
            }
          },
          0);
  check(dims.D > 0, ErrorCode::kUsage, "[matrix] layer {} does not mix tokens", layer);
  return dims;
}

template <class R>
MatrixEstimate estimate_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  const glr::ElementDims dims = layer_dims<R>(model, r, p.layer);
  const double D = static_cast<double>(dims.D), N = static_cast<double>(dims.N);
  MatrixEstimate e;
  e.rows = r.blocks > 0 ? r.blocks : p.rows.end - p.rows.begin;
  e.cols = r.blocks > 0 ? r.blocks : p.cols.end - p.cols.begin;
  const int64_t maps = has_bounds(r) ? 4 : 1;  // kernel results and their float copies
  const int64_t chunk = std::min(r.chunk, p.window.end);
  e.bytes = e.rows * e.cols * maps * static_cast<int64_t>(sizeof(R)) +
            ElementWindow<R>::bytes(p.window.end - p.window.begin, dims.D, dims.N, p.fold) +
            chunk * recorded_bytes_per_token(model, r.tokens);
  const double forward = static_cast<double>(p.window.end) * static_cast<double>(model.arch().flops_per_token()) / 20e9;
  const bool tiles = r.blocks == 0 || p.fold;
  const double T = static_cast<double>(p.T),
               entries = r.blocks > 0 ? T * T / 2 : static_cast<double>(e.rows) * static_cast<double>(e.cols);
  const double channels = r.map == MapKind::kChannel ? 1 : D;
  const double sums = 4 * T * D * N + static_cast<double>(e.rows * e.cols) * D * N;
  e.seconds = forward + (tiles ? 2 * entries * channels * N / 15e9 : sums / 1e9);
  return e;
}

// Tiles of at most kTile x kTile tokens, handed out from the top left.
template <class R, class Sink>
void each_tile(const ElementWindow<R>& w, const MatrixRequest& r, const MatrixPlan& p, Sink&& sink) {
  const glr::ElementMixer<R> mixer = w.mixer();
  const int64_t rows = p.rows.end - p.rows.begin, cols = p.cols.end - p.cols.begin;
  std::vector<R> tile(static_cast<size_t>(std::min(rows, kTile) * std::min(cols, kTile)));
  ProgressTask progress(r.progress, "matrix", "rows", static_cast<uint64_t>(rows));
  for (int64_t i = std::max(p.rows.begin, w.begin); i < p.rows.end; i += kTile) {
    for (int64_t j = p.cols.begin; j < p.cols.end; j += kTile) {
      throw_if_stopped();
      const TokenRange I{i, std::min(i + kTile, p.rows.end)}, J{j, std::min(j + kTile, p.cols.end)};
      if (J.begin >= I.end) break;  // above the diagonal
      glr::element_tile(w.dims(), w.coeffs(), element_map(r.map), r.channel, {I.begin - w.begin, I.end - w.begin},
                        {J.begin - w.begin, std::min(J.end, w.end) - w.begin}, mixer, tile.data());
      sink(I, TokenRange{J.begin, std::min(J.end, w.end)}, tile.data());
    }
    progress.set(static_cast<uint64_t>(std::min(i + kTile, p.rows.end) - p.rows.begin));
  }
}

template <class R>
void fill_tiles(const ElementWindow<R>& w, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  each_tile(w, r, p, [&](TokenRange I, TokenRange J, const R* tile) {
    for (int64_t i = I.begin; i < I.end; ++i) {
      float* row = out.values.data() + (i - p.rows.begin) * out.cols - p.cols.begin;
      for (int64_t j = J.begin; j < J.end; ++j) row[j] = static_cast<float>(*tile++);
    }
  });
}

// Exact block sums where no linear-time form exists: every entry is visited once.
template <class R>
void sum_tiles(const ElementWindow<R>& w, const MatrixRequest& r, const MatrixPlan& p, MatrixResult& out) {
  std::vector<double> sums(out.values.size(), 0.0);  // [blocks, blocks]
  std::vector<int64_t> block_of(static_cast<size_t>(p.T));
  for (int64_t b = 0; b < r.blocks; ++b)
    std::fill(block_of.begin() + out.edges[static_cast<size_t>(b)],
              block_of.begin() + out.edges[static_cast<size_t>(b) + 1], b);
  each_tile(w, r, p, [&](TokenRange I, TokenRange J, const R* tile) {
    for (int64_t i = I.begin; i < I.end; ++i) {
      double* row = sums.data() + block_of[static_cast<size_t>(i)] * r.blocks;
      for (int64_t j = J.begin; j < J.end; ++j) row[block_of[static_cast<size_t>(j)]] += static_cast<double>(*tile++);
    }
  });
  std::transform(sums.begin(), sums.end(), out.values.begin(), [](double v) { return static_cast<float>(v); });
}

template <class R>
void fill_bounds(const ElementWindow<R>& w, const MatrixRequest& r, MatrixResult& out) {
  std::vector<R> lower(out.values.size()), upper(out.values.size());  // [blocks, blocks]
  glr::element_block_bounds(w.dims(), w.coeffs(), element_map(r.map), out.edges.data(), r.blocks, lower.data(),
                            upper.data());
  out.lower.assign(lower.begin(), lower.end());
  out.values.assign(upper.begin(), upper.end());
  const double sum_lower = std::accumulate(lower.begin(), lower.end(), 0.0),
               sum_upper = std::accumulate(upper.begin(), upper.end(), 0.0);
  out.tightness = sum_upper == 0 ? 1.0 : sum_lower / sum_upper;
}

template <class R>
ElementWindow<R> collect(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  ElementWindow<R> w;
  w.begin = p.window.begin;
  w.end = p.window.end;
  WalkPlan plan;
  plan.tokens = std::span(r.tokens).first(static_cast<size_t>(p.window.end));
  plan.state_in = r.state_in;
  plan.chunk = r.chunk;
  plan.progress = r.progress;
  ReverseWalk(model, plan)
      .run_forward(
          [&](Ctx& ctx, Var, int64_t first, int64_t) {
            for (const MixerScope& scope : ctx.mixers()) {
              if (scope.layer == p.layer) w.append(ctx, ElementView<R>(ctx, scope), first, p.fold);
            }
          },
          p.window.end - 1);
  return w;
}

template <class R>
MatrixResult matrix_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  MatrixResult out;
  out.layer = p.layer;
  out.rows = r.blocks > 0 ? r.blocks : p.rows.end - p.rows.begin;
  out.cols = r.blocks > 0 ? r.blocks : p.cols.end - p.cols.begin;
  out.values.assign(static_cast<size_t>(out.rows * out.cols), 0.0f);
  if (p.window.begin == p.window.end) return out;  // all of it above the diagonal
  const ElementWindow<R> w = collect<R>(model, r, p);
  check(r.map != MapKind::kChannel || (r.channel >= 0 && r.channel < w.D), ErrorCode::kUsage,
        "[matrix] expected a channel in 0..{}, found {}", w.D - 1, r.channel);
  if (r.blocks > 0) out.edges = block_edges(p.T, r.blocks);
  if (has_bounds(r)) {
    fill_bounds(w, r, out);
  } else if (has_exact_sums(r)) {
    std::vector<R> sums(out.values.size());  // [blocks, blocks]
    glr::element_block_sums(w.dims(), w.coeffs(), r.map == MapKind::kChannel ? r.channel : -1, out.edges.data(),
                            r.blocks, sums.data());
    out.values.assign(sums.begin(), sums.end());
  } else if (r.blocks > 0) {
    sum_tiles(w, r, p, out);
  } else {
    fill_tiles(w, r, p, out);
  }
  return out;
}

}  // namespace

MatrixEstimate estimate_matrix(const Model& model, const MatrixRequest& request) {
  const MatrixPlan plan = make_matrix_plan(model, request);
  return model.compute() == DType::kF64 ? estimate_typed<double>(model, request, plan)
                                        : estimate_typed<float>(model, request, plan);
}

MatrixResult matrix(const Model& model, const MatrixRequest& request) {
  const MatrixPlan plan = make_matrix_plan(model, request);
  const MatrixEstimate e = estimate_matrix(model, request);
  const int64_t limit = request.mem_limit > 0 ? request.mem_limit : available_memory();
  check(e.bytes <= limit, ErrorCode::kResource,
        "[matrix] {} x {} entries need about {} MiB and {:.0f} s, and the limit is {} MiB; ask for fewer rows and "
        "columns or for blocks",
        e.rows, e.cols, (e.bytes >> 20) + 1, e.seconds, limit >> 20);
  return model.compute() == DType::kF64 ? matrix_typed<double>(model, request, plan)
                                        : matrix_typed<float>(model, request, plan);
}

}  // namespace hindscan
