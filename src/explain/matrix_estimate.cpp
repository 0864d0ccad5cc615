// What a part of a matrix will take, in bytes and seconds, before the whole text is read.
#include <algorithm>

#include "explain/matrix.h"
#include "explain/matrix_collect.h"
#include "explain/pass_probe.h"

namespace hindscan {

namespace {

// What is known of the layer before the whole text is read.
template <class R>
struct LayerProbe {
  PassProbe pass;
  std::unique_ptr<MapWindow<R>> window;  // over the tokens of the probe
  int64_t tokens = 1;
};

template <class R>
LayerProbe<R> probe_layer(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  LayerProbe<R> probe;
  WalkPlan plan = plan_reading(model, r);
  plan.state_in = nullptr;
  plan.progress = nullptr;
  probe.pass = probe_pass(model, plan);
  check(
      !probe.pass.reordered || r.state_in == nullptr, ErrorCode::kUsage,
      "[matrix] expected no state from before the text; the model reads its tokens in other orders, which carry none");
  if (probe.pass.whole) {
    probe.tokens = plan.chunk = p.T;
  } else {
    plan.tokens = plan.tokens.first(plan.feature_dim > 0 ? 0 : 1);
    plan.features = plan.features.first(static_cast<size_t>(plan.feature_dim));
  }
  const auto visit = [&](Ctx& ctx, Var, int64_t, int64_t) {
    const auto views = mixer_views<R>(ctx);
    const MixerView<R>& view = find_view(views, r, p);
    probe.window = view.window(p.fold, r.estimator);
    probe.window->append(ctx, view.ops(), 0, view.tokens());
  };
  ReverseWalk(model, plan).run_forward(visit, probe.tokens - 1);
  return probe;
}

// Whether the sums of this map could be bounded in linear time instead of adding up every entry.
template <class R>
bool has_bounds(const MapWindow<R>& window, const MatrixRequest& r, const MatrixPlan& p) {
  if (r.blocks == 0 || p.fold || (r.map != MapKind::kAbs && r.map != MapKind::kPositive)) return false;
  const int64_t edges[] = {0, window.tokens()};
  R lower, upper;
  return window.block_bounds(r.map, edges, 1, &lower, &upper);
}

// The result, what it is added up in, and one tile with what its maps are added up in.
template <class R>
int64_t entry_bytes(const MatrixRequest& r, const MatrixPlan& p, const MatrixEstimate& e) {
  const int64_t result = e.bounded ? 2 * (sizeof(float) + sizeof(R)) : sizeof(float);
  const int64_t sums = r.blocks > 0 && !e.bounded ? sizeof(double) : 0;
  const int64_t exact = r.estimator == Estimator::kExact ? 0 : sizeof(float);
  const int64_t tile = std::min(p.rows.end - p.rows.begin, kTile) * std::min(p.cols.end - p.cols.begin, kTile);
  return e.rows * e.cols * (result + sums + exact) + tile * static_cast<int64_t>(2 * sizeof(R) + sizeof(double));
}

// A recorded chunk, a quarter more for what ops take beside it, and the state before it and after it, to which
// attention adds its keys and values lined up.
int64_t reading_bytes(const PassProbe& pass, int64_t chunk, int64_t end) {
  const int64_t tape = pass.tape * chunk;
  return tape + tape / 4 + 2 * pass.state_bytes(end) + 3 * pass.cached * end;
}

template <class R>
MatrixEstimate estimate_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  const LayerProbe<R> probe = probe_layer<R>(model, r, p);
  MatrixEstimate e;
  e.rows = r.blocks > 0 ? r.blocks : p.rows.end - p.rows.begin;
  e.cols = r.blocks > 0 ? r.blocks : p.cols.end - p.cols.begin;
  const int64_t window = probe.pass.whole ? p.T : p.window.end - p.window.begin;
  const int64_t chunk = probe.pass.whole ? p.T : std::min(r.chunk, p.window.end);
  const double T = static_cast<double>(p.T), maps = static_cast<double>(probe.window->maps());
  const double per_entry = probe.window->entry_flops() / (r.map == MapKind::kChannel ? maps : 1);
  if (!probe.pass.reordered && has_bounds(*probe.window, r, p)) {
    e.exact_seconds = T * T / 2 * per_entry / 15e9;
    e.bounded = r.sums == Sums::kBounds || (r.sums == Sums::kAuto && e.exact_seconds > kExactSeconds);
  }
  check(e.bounded || r.sums != Sums::kBounds, ErrorCode::kUsage,
        "[matrix] expected abs or positive sums at core fidelity in a layer with a decay for each state and channel, "
        "found others, of which there are no bounds; ask for exact sums");
  const int64_t coefficients = static_cast<int64_t>(probe.window->bytes()) / probe.tokens;
  e.bytes = entry_bytes<R>(r, p, e) + coefficients * window + reading_bytes(probe.pass, chunk, p.window.end);
  if (p.fold)  // what stands around the core goes back through it, and is kept for the chunk
    e.bytes += chunk * (coefficients + probe.pass.tape / model.arch().sizes().n_layer);
  if (probe.pass.reordered)
    e.bytes += 2 * p.T * p.T * static_cast<int64_t>(sizeof(double));  // the whole matrix is put in order
  const double forward = static_cast<double>(p.window.end) * static_cast<double>(model.arch().flops_per_token()) / 20e9;
  const bool tiles = r.blocks == 0 || p.fold || (e.exact_seconds > 0 && !e.bounded);
  const double entries = r.blocks > 0 ? T * T / 2 : static_cast<double>(e.rows) * static_cast<double>(e.cols);
  const double sums = 2 * T * per_entry + static_cast<double>(e.rows * e.cols) * per_entry / 2;
  e.seconds = forward + (tiles ? entries * per_entry / 15e9 : sums / 1e9);
  const double end = static_cast<double>(p.window.end);
  e.whole = probe.pass.whole;
  e.quadratic_seconds = end * end / 2 * probe.pass.pair_flops / 5e9;
  e.seconds += e.quadratic_seconds;
  return e;
}

}  // namespace

MatrixEstimate estimate_matrix(const Model& model, const MatrixRequest& request) {
  const MatrixPlan plan = make_matrix_plan(model, request);
  return model.compute() == DType::kF64 ? estimate_typed<double>(model, request, plan)
                                        : estimate_typed<float>(model, request, plan);
}

}  // namespace hindscan
