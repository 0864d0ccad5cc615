#include "explain/reverse_walk.h"

#include <algorithm>

#include "base/signals.h"
#include "explain/mixer_view.h"
#include "explain/orders.h"

namespace hindscan {

int64_t WalkPlan::length() const {
  return feature_dim > 0 ? static_cast<int64_t>(features.size()) / feature_dim : static_cast<int64_t>(tokens.size());
}

Input WalkPlan::slice(int64_t first, int64_t count) const {
  Input input;
  if (feature_dim > 0) {
    input.feature_dim = feature_dim;
    input.features =
        features.subspan(static_cast<size_t>(first * feature_dim), static_cast<size_t>(count * feature_dim));
  } else {
    input.tokens = tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }
  return input;
}

void ReverseWalk::record(int64_t first, SequenceState& state, const Visit& visit) {
  throw_if_stopped();
  const int64_t count = std::min(plan_.chunk, plan_.length() - first);
  Input input = plan_.slice(first, count);
  input.states = {&state};
  CtxOptions options;
  options.record = true;
  options.compute = model_.compute();
  options.arena = &arena_;
  Ctx ctx(input, std::move(options));
  const Var h = model_.arch().forward(ctx);  // [count, d_model], or [1, d_model] pooled
  visit(ctx, h, first, count);
  ctx.commit();
}

void ReverseWalk::run(const Visit& forward, const Visit& back) {
  const int64_t T = plan_.length(), chunks = (T + plan_.chunk - 1) / plan_.chunk;
  ProgressTask progress(plan_.progress, "explain", "tokens", static_cast<uint64_t>(T));
  double work = 0;  // done, in tokens forward
  const auto step = [&](int64_t count, double each) {
    work += static_cast<double>(count) * each;
    progress.set(static_cast<uint64_t>(work / (1 + plan_.back_work)));
  };
  SequenceState state = plan_.state_in == nullptr ? SequenceState() : *plan_.state_in;
  for (int64_t c = 0; c < chunks; ++c) {
    borders_.push(state);
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      forward(ctx, h, first, count);
      step(count, 1);
      if (c + 1 < chunks) return;
      back(ctx, h, first, count);
      step(count, plan_.back_work);
    });
  }
  for (int64_t c = chunks - 1; c-- > 0;) {
    state = borders_.at(static_cast<size_t>(c));
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      back(ctx, h, first, count);
      step(count, plan_.back_work);
    });
  }
}

void ReverseWalk::run_forward(const Visit& forward, int64_t until) {
  ProgressTask progress(plan_.progress, "read", "tokens", static_cast<uint64_t>(until + 1));
  SequenceState state = plan_.state_in == nullptr ? SequenceState() : *plan_.state_in;
  for (int64_t first = 0; first <= until; first += plan_.chunk) {
    record(first, state, forward);
    progress.set(static_cast<uint64_t>(std::min(first + plan_.chunk, until + 1)));
  }
}

SequenceState ReverseWalk::border_before(int64_t t, int64_t* at) const {
  const int64_t c = std::min(t / plan_.chunk, static_cast<int64_t>(borders_.size()) - 1);
  *at = c * plan_.chunk;
  return borders_.at(static_cast<size_t>(c));
}

template <class R>
static void add_costs(const Ctx& ctx, PassProbe& probe) {
  for (const auto& view : mixer_views<R>(ctx)) {
    const MixerCost cost = view->cost();
    if (cost.cached == 0) continue;
    if (cost.window > 0) {
      probe.windows.emplace_back(cost.window, cost.cached);
      continue;
    }
    probe.cached += cost.cached;
    probe.quadratic_layers.push_back(view->layer);
    probe.pair_flops += cost.pair_flops;
  }
}

static int64_t record_alone(const Model& model, const Input& input, PassProbe& probe) {
  CtxOptions options;
  options.record = true;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  probe.whole = needs_whole_text(ctx) || model.arch().sizes().labels > 0;
  probe.reordered =
      std::any_of(ctx.nodes().begin(), ctx.nodes().end(), [](const OpNode& n) { return n.role == Role::kOrder; });
  probe.quadratic_layers.clear();
  probe.windows.clear();
  probe.pair_flops = 0;
  probe.cached = 0;
  const int64_t peak = static_cast<int64_t>(ctx.peak_bytes());
  if (model.compute() == DType::kF64)
    add_costs<double>(ctx, probe);
  else
    add_costs<float>(ctx, probe);
  return peak;
}

int64_t PassProbe::state_bytes(int64_t tokens) const {
  int64_t bytes = state;
  for (const auto& [window, keys] : windows) bytes += std::min(window, tokens) * keys;
  return bytes;
}

PassProbe probe_pass(const Model& model, const WalkPlan& plan) {
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
    const int64_t more = record_alone(model, sample.slice(0, kMore), probe),
                  few = record_alone(model, sample.slice(0, kFew), probe);
    probe.tape = std::max<int64_t>((more - few) / (kMore - kFew), 1);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUsage) throw;  // a model of fixed orders takes texts of one length only
    const int64_t T = plan.length();
    probe.tape = record_alone(model, plan.slice(0, T), probe) / T + 1;
  }
  return probe;
}

}  // namespace hindscan
