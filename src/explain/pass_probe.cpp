#include "explain/pass_probe.h"

#include <algorithm>

#include "explain/cost_fit.h"
#include "explain/mixer_view.h"
#include "explain/orders.h"

namespace hindscan {

template <class R>
static void add_costs(const Ctx& ctx, PassProbe& probe) {
  probe.quadratic_layers.clear();
  probe.caches.clear();
  probe.pair_flops = 0;
  for (const auto& view : mixer_views<R>(ctx)) {
    const MixerCost cost = view->cost();
    if (cost.cached == 0) continue;
    probe.caches.push_back({view->state(), cost.cached, cost.window});
    if (cost.window > 0) continue;
    probe.quadratic_layers.push_back(view->layer);
    probe.pair_flops += cost.pair_flops;
  }
}

// Bytes of the pass; its seconds are those of a token.
static int64_t record_alone(const Model& model, const Input& input, PassProbe& probe) {
  CtxOptions options;
  options.record = true;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  probe.seconds = seconds_once([&] { model.arch().forward(ctx); }) / static_cast<double>(input.length());
  probe.whole = needs_whole_text(ctx) || model.arch().sizes().labels > 0;
  probe.reordered =
      std::any_of(ctx.nodes().begin(), ctx.nodes().end(), [](const OpNode& n) { return n.role == Role::kOrder; });
  const int64_t peak = static_cast<int64_t>(ctx.peak_bytes());
  if (model.compute() == DType::kF64)
    add_costs<double>(ctx, probe);
  else
    add_costs<float>(ctx, probe);
  return peak;
}

int64_t PassProbe::cached() const {
  int64_t bytes = 0;
  for (const KeyCache& cache : caches) bytes += cache.window > 0 ? 0 : cache.bytes;
  return bytes;
}

int64_t PassProbe::state_bytes(int64_t tokens) const {
  int64_t bytes = state;
  for (const KeyCache& cache : caches) bytes += cache.window > 0 ? cache.rows(tokens) * cache.bytes : 0;
  return bytes;
}

PassProbe probe_pass(const Model& model, const WalkPlan& plan, bool rough) {
  constexpr int64_t kFew = 16, kMore = 64;
  WalkPlan sample;  // the first token again and again
  sample.feature_dim = plan.feature_dim;
  const std::vector<int32_t> tokens(plan.feature_dim > 0 ? 0 : kMore, plan.feature_dim > 0 ? 0 : plan.tokens.front());
  std::vector<float> features;
  for (int64_t t = 0; plan.feature_dim > 0 && t < kMore; ++t)
    features.insert(features.end(), plan.features.begin(), plan.features.begin() + plan.feature_dim);
  sample.tokens = tokens;
  sample.features = features;
  PassProbe probe;
  probe.state = model.arch().sizes().state_numbers * static_cast<int64_t>(dtype_size(model.compute()));
  try {
    const int64_t few = record_alone(model, sample.slice(0, kFew), probe);
    if (rough) {
      probe.tape = few / kFew + 1;
      return probe;
    }
    const int64_t more = record_alone(model, sample.slice(0, kMore), probe);
    probe.tape = std::max<int64_t>((more - few) / (kMore - kFew), 1);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUsage) throw;  // a model of fixed orders takes texts of one length only
    const int64_t T = plan.length();
    probe.one_length = true;
    probe.tape = record_alone(model, plan.slice(0, T), probe) / T + 1;
  }
  return probe;
}

}  // namespace hindscan
