#include "explain/matrix_estimate.h"

#include <algorithm>

#include "base/memory.h"
#include "explain/cost_fit.h"
#include "explain/matrix_fill.h"

namespace hindscan {

namespace {

// What is known of the layer before the whole text is read.
template <class R>
struct LayerProbe {
  PassProbe pass;
  std::unique_ptr<MapWindow<R>> window;  // over the tokens of the probe
  MixerCost cost;
  int64_t tokens = 1;
};

template <class R>
LayerProbe<R> probe_layer(const Model& model, const MatrixRequest& r, const MatrixPlan& p, bool rough) {
  LayerProbe<R> probe;
  WalkPlan plan = plan_reading(model, r);
  plan.state_in = nullptr;
  plan.progress = nullptr;
  probe.pass = probe_pass(model, plan, rough);
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
    probe.cost = view.cost();
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

// Whether block sums are known without adding up every entry.
template <class R>
bool has_sums(const MapWindow<R>& window, const MatrixRequest& r) {
  const int64_t edges[] = {0, window.tokens()};
  R sum;
  return window.block_sums(r.map, r.channel, edges, 1, &sum);
}

// The result, what it is added up in, and one tile with what its maps are added up in.
template <class R>
int64_t entry_bytes(const MatrixRequest& r, const MatrixPlan& p, const MatrixEstimate& e) {
  const int64_t result = e.bounded ? 2 * (sizeof(float) + sizeof(R)) : sizeof(float);
  const int64_t sums = r.blocks > 0 && !e.bounded ? sizeof(double) : 0;
  const int64_t exact = r.estimator == Estimator::kExact ? 0 : sizeof(float);
  const int64_t high = std::min(p.rows.end - p.rows.begin, kTile),
                tile = e.tiles ? high * std::min(p.cols.end - p.cols.begin, tile_cols(high)) : 0;
  return e.rows * e.cols * (result + sums + exact) + tile * static_cast<int64_t>(2 * sizeof(R) + sizeof(double));
}

// A recorded chunk, a quarter more for what ops take beside it, and the state before it and after it, to which
// attention adds its keys and values lined up.
int64_t reading_bytes(const PassProbe& pass, int64_t chunk, int64_t end) {
  const int64_t tape = pass.tape * chunk;
  return tape + tape / 4 + 2 * pass.state_bytes(end) + 3 * pass.cached() * end;
}

// From the pass of the probe alone: what else is done takes as long as its operations say.
void guess_seconds(const Model& model, const MatrixRequest& r, const MatrixPlan& p, const PassProbe& pass,
                   double entry_flops, MatrixEstimate& e) {
  const double flops = static_cast<double>(model.arch().flops_per_token()), each = pass.seconds / flops,
               end = static_cast<double>(tokens_read(p, pass)),
               before = r.state_in == nullptr ? 0 : static_cast<double>(r.state_in->tokens);
  e.quadratic_seconds = end * (before + end / 2) * pass.pair_flops * each;
  e.exact_seconds *= each;
  e.seconds = end * pass.seconds + e.quadratic_seconds;
  e.seconds += (e.by_entry ? entries(p) : 2 * end + static_cast<double>(e.rows * e.cols) / 2) * entry_flops * each;
}

template <class R>
MatrixOutline outline_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p, bool rough) {
  LayerProbe<R> probe = probe_layer<R>(model, r, p, rough);
  MatrixEstimate e;
  e.rows = r.blocks > 0 ? r.blocks : p.rows.end - p.rows.begin;
  e.cols = r.blocks > 0 ? r.blocks : p.cols.end - p.cols.begin;
  e.whole = probe.pass.whole;
  const int64_t window = e.whole ? p.T : p.window.end - p.window.begin;
  const int64_t chunk = e.whole ? p.T : std::min(r.chunk, p.window.end);
  const int64_t maps = probe.window->maps();
  check(r.map != MapKind::kChannel || (r.channel >= 0 && r.channel < maps), ErrorCode::kUsage,
        "[matrix] expected a map in 0..{}, found {}", maps - 1, r.channel);
  const double entry_flops = probe.window->entry_flops() / (r.map == MapKind::kChannel ? static_cast<double>(maps) : 1);
  const bool bounds = !probe.pass.reordered && has_bounds(*probe.window, r, p);
  if (bounds) {
    e.exact_seconds = entries(p) * entry_flops;  // in operations as yet
    e.bounded = r.sums == Sums::kBounds || (r.sums == Sums::kAuto && e.exact_seconds > kExactFlops);
  }
  check(e.bounded || r.sums != Sums::kBounds, ErrorCode::kUsage,
        "[matrix] expected abs or positive sums at core fidelity in a layer with a decay for each state and channel, "
        "found others, of which there are no bounds; ask for exact sums");
  e.tiles = !e.bounded && (r.blocks == 0 || !has_sums(*probe.window, r));
  e.by_entry = e.tiles || probe.cost.pair_flops > 0;
  const int64_t coefficients = static_cast<int64_t>(probe.window->bytes()) / probe.tokens;
  e.bytes = entry_bytes<R>(r, p, e) + coefficients * window + reading_bytes(probe.pass, chunk, p.window.end);
  if (p.fold)  // what stands around the core goes back through it, and is kept for the chunk
    e.bytes += chunk * (coefficients + probe.pass.tape / model.arch().sizes().n_layer);
  if (probe.pass.reordered)
    e.bytes += 2 * p.T * p.T * static_cast<int64_t>(sizeof(double));  // the whole matrix is put in order
  guess_seconds(model, r, p, probe.pass, entry_flops, e);
  return {std::move(probe.pass), e};
}

MatrixOutline outline_with(const Model& model, const MatrixRequest& r, const MatrixPlan& p, bool rough) {
  return model.compute() == DType::kF64 ? outline_typed<double>(model, r, p, rough)
                                        : outline_typed<float>(model, r, p, rough);
}

}  // namespace

double entries(const MatrixPlan& p) {
  double all = 0;
  for (int64_t i = std::max(p.rows.begin, p.cols.begin); i < p.rows.end; ++i)
    all += static_cast<double>(std::min(i + 1, p.cols.end) - p.cols.begin);
  return all;
}

int64_t tokens_read(const MatrixPlan& p, const PassProbe& probe) { return probe.whole ? p.T : p.window.end; }

MatrixOutline outline_matrix(const Model& model, const MatrixRequest& r, const MatrixPlan& p) {
  MatrixOutline outline;
  const double seconds = seconds_once([&] {
    const bool rough = p.T <= kShortText;
    outline = outline_with(model, r, p, rough);
    if (rough && outline.estimate.bytes > memory_within(r.mem_limit) / kFarBelow)
      outline = outline_with(model, r, p, false);
  });
  outline.seconds = seconds;
  outline.estimate.seconds += seconds;
  return outline;
}

}  // namespace hindscan
