#include "explain/explain_plan.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "model/pass_cost.h"

namespace hindscan {
namespace {

constexpr int64_t kSmallestChunk = 16;
constexpr double kFlops = 100e9, kPairFlops = 20e9;  // a second, for a first guess

// Work of a token on the shared way back, recording it again included, in forward passes.
double shared_work(const ExplainRequest& r) {
  double work = 1;
  for (const MethodSpec& m : r.methods) work += m.own_walks() > 0 ? 0 : m.work();
  return work;
}

// Of the way back: a chunk on the tape with its adjoints, an eighth more for what ops take beside it, and the states at
// the borders and in each method's hands; keys and values stand in all of these.
int64_t walk_bytes(const PassProbe& probe, size_t methods, int64_t tokens, int64_t chunk) {
  const auto M = static_cast<int64_t>(methods);
  const int64_t tape = 2 * probe.tape * std::min(chunk, tokens), state = probe.state_bytes(tokens);
  return tape + tape / 8 + (tokens / chunk + 1 + 6 * M) * state + (4 + 2 * M) * probe.cached * tokens;
}

int64_t window_first(const PassProbe& probe, int64_t target) {
  return probe.whole ? 0 : std::max<int64_t>(0, target - kWindow);
}

int64_t edits(const ExplainRequest& r, int64_t window) {
  return r.tokens.empty() ? 0 : std::clamp<int64_t>(r.causal_edits, 0, 3 * (window - 1));
}

int64_t reruns(const ExplainRequest& r, int64_t window) {
  int64_t out = 0;
  for (const MethodSpec& m : r.methods) out += std::clamp<int64_t>(m.reruns(), 0, window - 1);
  return out;
}

}  // namespace

int64_t explain_tokens(const Model& model, const ExplainRequest& r) {
  const int64_t F = model.arch().sizes().feature_dim;
  return F > 0 ? static_cast<int64_t>(r.features.size()) / F : static_cast<int64_t>(r.tokens.size());
}

WalkPlan walk_of(const Model& model, const ExplainRequest& r) {
  WalkPlan plan = plan_reading(model, r);
  plan.back_work = shared_work(r);
  return plan;
}

double explain_passes(const ExplainRequest& r) {
  double passes = 1 + shared_work(r);
  for (const MethodSpec& m : r.methods) passes += m.own_walks() > 0 ? m.work() : 0;
  return passes;
}

std::vector<double> explain_shares(const ExplainRequest& r, int64_t tokens, int64_t window) {
  std::vector<double> shares = {1 + shared_work(r)};
  for (const MethodSpec& m : r.methods) {
    if (m.own_walks() > 0) shares.push_back(m.work());
  }
  for (const MethodSpec& m : r.methods) {
    const double again = static_cast<double>(std::clamp<int64_t>(m.reruns(), 0, window - 1));
    if (again > 0) shares.push_back(again * static_cast<double>(window) / static_cast<double>(tokens));
  }
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& s : shares) s /= all;
  return shares;
}

int64_t score_bytes(const Model& model, const ExplainRequest& r) {
  const ArchitectureSizes sizes = model.arch().sizes();
  const int64_t L = sizes.n_layer, M = std::ssize(r.methods), adjoint = M * (kWindow + 1) * sizes.d_model * 8;
  return explain_tokens(model, r) * ((M + 2) * (8 + 4 * L) + 20 * L + static_cast<int64_t>(sizeof(TokenReport))) +
         adjoint;
}

EditCost edit_cost(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last) {
  const int64_t before = r.state_in == nullptr ? 0 : r.state_in->tokens, window = last - first;
  const std::span<const int32_t> tokens = std::span(r.tokens).subspan(static_cast<size_t>(first));
  const PassCost pass = running_cost(model, tokens.first(static_cast<size_t>(window)));
  const int64_t state = probe.state_bytes(before + last) + probe.cached * (before + last);
  // A copy starts from a state and leaves one; attention lines up its keys and values once more.
  return {pass.fixed + 3 * state, pass.per_token * window + 3 * state};
}

namespace {

// The same from the probe alone, and never less.
EditCost rough_edit_cost(const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last) {
  const int64_t tokens = last + (r.state_in == nullptr ? 0 : r.state_in->tokens), window = last - first;
  const int64_t state = probe.state_bytes(tokens) + probe.cached * tokens;
  return {0, 2 * probe.tape * window + 3 * state};  // what is recorded, and as much for what ops take beside it
}

ExplainPlan plan_with(const Model& model, const ExplainRequest& r, int64_t target, PassProbe probe, bool rough) {
  ExplainPlan p;
  p.probe = std::move(probe);
  check(
      !p.probe.reordered || r.state_in == nullptr, ErrorCode::kUsage,
      "[explain] expected no state from before the text; the model reads its tokens in other orders, which carry none");
  ExplainEstimate& e = p.estimate;
  e.tokens = p.probe.whole ? explain_tokens(model, r) : target + 1;
  const int64_t scores = score_bytes(model, r), limit = r.mem_limit > 0 ? r.mem_limit : available_memory();
  const auto bytes = [&](int64_t chunk) { return scores + walk_bytes(p.probe, r.methods.size(), e.tokens, chunk); };
  e.chunk = p.probe.whole ? e.tokens : std::min(r.chunk, e.tokens);
  for (int64_t half = (e.chunk + 1) / 2; !p.probe.whole && half >= kSmallestChunk; half = (half + 1) / 2) {
    if (bytes(e.chunk) <= limit || bytes(half) >= bytes(e.chunk)) break;
    e.chunk = half;
  }
  e.bytes = bytes(e.chunk);
  const int64_t first = window_first(p.probe, target), window = target + 1 - first, count = edits(r, window),
                again = reruns(r, window);
  if (count + again > 0) {
    p.edits = rough ? rough_edit_cost(r, p.probe, first, target + 1) : edit_cost(model, r, p.probe, first, target + 1);
    e.bytes = std::max(e.bytes, scores + p.edits.of(kFewestCopies));
  }
  const double T = static_cast<double>(e.tokens), passes = explain_passes(r);
  e.quadratic_layers = p.probe.quadratic_layers;
  e.quadratic_seconds = T * T / 2 * p.probe.pair_flops * passes / kPairFlops;
  const double linear = T * static_cast<double>(model.arch().flops_per_token()) * passes / kFlops;
  const double each = linear * static_cast<double>(window) / (T * passes);
  e.causal_seconds = each * static_cast<double>(count);
  e.rerun_seconds = each * static_cast<double>(again);
  e.seconds = linear + e.quadratic_seconds + e.causal_seconds + e.rerun_seconds;
  return p;
}

}  // namespace

ExplainPlan make_explain_plan(const Model& model, const ExplainRequest& r, int64_t target) {
  constexpr int64_t kShort = 256, kFarBelow = 4;  // tokens; parts of the limit
  const int64_t limit = r.mem_limit > 0 ? r.mem_limit : available_memory();
  if (explain_tokens(model, r) <= kShort) {
    ExplainPlan p = plan_with(model, r, target, probe_pass(model, walk_of(model, r), true), true);
    if (p.estimate.bytes <= limit / kFarBelow) return p;
  }
  return plan_with(model, r, target, probe_pass(model, walk_of(model, r)), false);
}

}  // namespace hindscan
