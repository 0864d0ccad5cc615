#include "explain/explain_plan.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "explain/cost_fit.h"
#include "explain/counterfactual_scan.h"
#include "explain/rerun.h"
#include "explain/scan_estimate.h"
#include "explain/shapley_cost.h"
#include "model/pass_cost.h"

namespace hindscan {
namespace {

constexpr int64_t kSmallestChunk = 16;
constexpr double kRecording = 2;        // how many times as long a recorded token takes, roughly
constexpr double kTokensOfAPass = 256;  // so many entries of a row of every map take as long as a token, roughly

// Work of a token on the shared way back, recording it again included, in forward passes.
double shared_work(const ExplainRequest& r) {
  double work = 1;
  for (const MethodSpec& m : r.methods) work += m.own_walks() > 0 || m.makes_maps() ? 0 : m.work();
  return work;
}

// Of the way back: a chunk on the tape with its adjoints, an eighth more for what ops take beside it, and the states at
// the borders and in each method's hands; keys and values stand in all of these.
int64_t walk_bytes(const PassProbe& probe, size_t methods, int64_t tokens, int64_t chunk) {
  const auto M = static_cast<int64_t>(methods);
  const int64_t tape = 2 * probe.tape * std::min(chunk, tokens), state = probe.state_bytes(tokens);
  return tape + tape / 8 + (tokens / chunk + 1 + 6 * M) * state + (4 + 2 * M) * probe.cached() * tokens;
}

int64_t edits(const ExplainRequest& r, int64_t window) {
  return r.tokens.empty() || !any_targeted(r.methods) ? 0 : std::clamp<int64_t>(r.causal_edits, 0, 3 * (window - 1));
}

int64_t reruns(const ExplainRequest& r, int64_t window) {
  int64_t out = 0;
  for (const MethodSpec& m : r.methods) out += std::clamp<int64_t>(m.reruns(), 0, window - 1);
  return out;
}

}  // namespace

int64_t window_first(const PassProbe& probe, int64_t first_place) {
  return probe.whole ? 0 : std::max<int64_t>(0, first_place - kWindow);
}

int64_t first_place(const ExplainRequest& r, int64_t target) { return target + 1 - std::max<int64_t>(r.answer, 1); }

int64_t explain_tokens(const Model& model, const ExplainRequest& r) {
  const int64_t F = model.arch().sizes().feature_dim;
  return F > 0 ? static_cast<int64_t>(r.features.size()) / F : static_cast<int64_t>(r.tokens.size());
}

WalkPlan walk_of(const Model& model, const ExplainRequest& r) {
  WalkPlan plan = plan_reading(model, r);
  plan.back_work = shared_work(r);
  return plan;
}

void set_seconds(const ExplainRequest& r, const UnitSeconds& unit, int64_t window, ExplainEstimate& e) {
  const auto edited = [&](int64_t count) {  // each pass has an unedited copy
    const int64_t beside = std::max<int64_t>(kFewestCopies, kPackedTokens / window) - 1;
    const int64_t copies = (count + beside - 1) / beside;
    return unit.edited_token * static_cast<double>((count + copies) * window);
  };
  e.parts = {unit.shared};
  for (const MethodSpec& m : r.methods) {
    if (m.own_walks() > 0) e.parts.push_back(unit.walk(m) * static_cast<double>(m.own_walks()));
  }
  for (const MethodSpec& m : r.methods) {
    const int64_t count = std::clamp<int64_t>(m.reruns(), 0, window - 1);
    if (count > 0) e.parts.push_back(edited(count));
  }
  e.further.clear();
  for (const MethodSpec& m : r.methods) {
    if (m.makes_maps()) e.parts.push_back(unit.maps(m));
    if (m.info().orders) e.parts.push_back(unit.orders(m));
    if (!m.scans()) continue;
    const ScanSeconds scan = unit.scan(m);
    if (scan.scan == 0) continue;  // nothing stands before the target
    e.parts.insert(e.parts.end(), {scan.scan, scan.check});
    if (scan.replaced > 0) e.parts.push_back(scan.replaced);
    e.further.resize(std::max(e.further.size(), scan.further.size()));
    for (size_t i = 0; i < scan.further.size(); ++i) e.further[i] += scan.further[i];
  }
  e.causal_seconds = edited(edits(r, window));
  e.seconds = std::accumulate(e.parts.begin(), e.parts.end(), e.plan_seconds + e.causal_seconds);
}

int64_t score_bytes(const Model& model, const ExplainRequest& r) {
  const ArchitectureSizes sizes = model.arch().sizes();
  const int64_t L = sizes.n_layer, M = std::ssize(r.methods),
                adjoint = M * (kWindow + std::max<int64_t>(r.answer, 1)) * sizes.d_model * 8;
  int64_t beside = 0;  // a number a layer for rows or gradients, ids of drawn texts
  for (const MethodSpec& m : r.methods) beside += *m.info().maps == '\0' ? 4 * m.own_walks() : 16 * L;
  return explain_tokens(model, r) *
             (beside + (M + 2) * (8 + 4 * L) + 20 * L + static_cast<int64_t>(sizeof(TokenReport))) +
         adjoint;
}

EditCost edit_cost(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last) {
  const int64_t before = r.state_in == nullptr ? 0 : r.state_in->tokens, window = last - first;
  const std::span<const int32_t> tokens = std::span(r.tokens).subspan(static_cast<size_t>(first));
  const PassCost pass = running_cost(model, tokens.first(static_cast<size_t>(window)));
  const int64_t state = probe.state_bytes(before + last) + probe.cached() * (before + last);
  // A copy starts from a state and leaves one; attention lines up its keys and values once more.
  return {pass.fixed + 3 * state, pass.per_token * window + 3 * state};
}

namespace {

// The same from the probe alone, and never less.
EditCost rough_edit_cost(const ExplainRequest& r, const PassProbe& probe, int64_t first, int64_t last) {
  const int64_t tokens = last + (r.state_in == nullptr ? 0 : r.state_in->tokens), window = last - first;
  const int64_t state = probe.state_bytes(tokens) + probe.cached() * tokens;
  return {0, 2 * probe.tape * window + 3 * state};  // what is recorded, and as much for what ops take beside it
}

// From the pass of the probe alone: what else is done with a token takes as long as its work says.
void guess_seconds(const Model& model, const ExplainRequest& r, const PassProbe& probe, int64_t target, int64_t window,
                   ExplainEstimate& e) {
  const double T = static_cast<double>(e.tokens),
               before = r.state_in == nullptr ? 0 : static_cast<double>(r.state_in->tokens),
               each = probe.pair_flops / static_cast<double>(model.arch().flops_per_token()),
               pairs = (before + T / 2) * each, pass = T * probe.seconds * (1 + pairs);
  UnitSeconds unit;
  unit.shared = pass * (1 + shared_work(r));
  unit.walk = [&](const MethodSpec& m) { return pass * m.info().work; };
  unit.orders = [&](const MethodSpec& m) {
    return shapley_tokens(model, r, first_place(r, target), m) * pass / T / kRecording;
  };
  unit.maps = [&](const MethodSpec& m) { return pass * (m.info().work + T / kTokensOfAPass); };
  unit.edited_token = probe.seconds * (1 + (before + T) * each);  // at the end of the text
  unit.scan = [&](const MethodSpec& m) { return guess_scan(model, r, target, m, pass / T); };
  set_seconds(r, unit, window, e);
  e.quadratic_seconds = (e.seconds - e.plan_seconds - e.causal_seconds) * pairs / (1 + pairs);
}

// Coefficients of whole maps, which take no more than what is recorded of a text.
int64_t map_bytes(const ExplainRequest& r, const PassProbe& probe, int64_t tokens) {
  return probe.tape * tokens *
         std::count_if(r.methods.begin(), r.methods.end(), [](const auto& m) { return m.makes_maps(); });
}

ExplainPlan plan_with(const Model& model, const ExplainRequest& r, int64_t target, PassProbe probe, bool rough) {
  ExplainPlan p;
  p.probe = std::move(probe);
  check(
      !p.probe.reordered || r.state_in == nullptr, ErrorCode::kUsage,
      "[explain] expected no state from before the text; the model reads its tokens in other orders, which carry none");
  ExplainEstimate& e = p.estimate;
  e.tokens = p.probe.whole ? explain_tokens(model, r) : target + 1;
  const int64_t scores = score_bytes(model, r) + map_bytes(r, p.probe, e.tokens), limit = memory_within(r.mem_limit);
  const auto bytes = [&](int64_t chunk) { return scores + walk_bytes(p.probe, r.methods.size(), e.tokens, chunk); };
  e.chunk = p.probe.whole ? e.tokens : std::min(r.chunk, e.tokens);
  for (int64_t half = (e.chunk + 1) / 2; !p.probe.whole && half >= kSmallestChunk; half = (half + 1) / 2) {
    if (bytes(e.chunk) <= limit || bytes(half) >= bytes(e.chunk)) break;
    e.chunk = half;
  }
  e.bytes = bytes(e.chunk);
  const int64_t first = window_first(p.probe, first_place(r, target)), window = target + 1 - first,
                count = edits(r, window), again = reruns(r, window);
  if (count + again > 0) {
    p.edits = rough ? rough_edit_cost(r, p.probe, first, target + 1) : edit_cost(model, r, p.probe, first, target + 1);
    e.bytes = std::max(e.bytes, scores + p.edits.of(kFewestCopies));
  }
  if (std::any_of(r.methods.begin(), r.methods.end(), [](const MethodSpec& m) { return m.info().orders; }))
    e.bytes = std::max(e.bytes, scores + edit_cost(model, r, p.probe, 0, target + 1).of(texts_of_an_order(target + 1)));
  if (!p.probe.whole && std::any_of(r.methods.begin(), r.methods.end(), [](const MethodSpec& m) { return m.scans(); }))
    e.bytes = std::max(e.bytes, scores + scan_bytes(p.probe.state_bytes(e.tokens), e.tokens, r.answer, limit));
  e.quadratic_layers = p.probe.quadratic_layers;
  guess_seconds(model, r, p.probe, target, window, e);
  return p;
}

}  // namespace

ExplainPlan make_explain_plan(const Model& model, const ExplainRequest& r, int64_t target) {
  ExplainPlan plan;
  const double seconds = seconds_once([&] {
    const bool rough = explain_tokens(model, r) <= kShortText;
    plan = plan_with(model, r, target, probe_pass(model, walk_of(model, r), rough), rough);
    if (rough && plan.estimate.bytes > memory_within(r.mem_limit) / kFarBelow)
      plan = plan_with(model, r, target, probe_pass(model, walk_of(model, r)), false);
  });
  plan.estimate.plan_seconds = seconds;
  plan.estimate.seconds += seconds;
  return plan;
}

}  // namespace hindscan
