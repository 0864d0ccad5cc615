#include "eval/causal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/counted.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/signals.h"
#include "eval/edited_batch.h"
#include "eval/rank.h"
#include "eval/writes.h"
#include "explain/explain_plan.h"
#include "explain/target.h"

namespace hindscan {

const char* edit_name(EditKind kind) {
  constexpr const char* names[] = {"replace", "drop-write", "remove"};
  return names[static_cast<size_t>(kind)];
}

// Without replacement, with weight 1 / distance to the target: far tokens rarely change anything that can be measured.
static std::vector<int64_t> draw_positions(int64_t first, int64_t last, Rng& rng) {
  std::vector<std::pair<double, int64_t>> keys;
  for (int64_t t = first; t < last; ++t)
    keys.emplace_back(-std::log(1 - rng.uniform()) * static_cast<double>(last - t), t);
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> out;
  out.reserve(keys.size());
  for (const auto& [key, t] : keys) out.push_back(t);
  return out;
}

std::vector<Edit> draw_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report) {
  if (request.tokens.empty()) return {};  // features: nothing to replace them by
  const uint64_t V = static_cast<uint64_t>(model.arch().sizes().vocab_size);
  Rng rng(request.seed, "causal");
  const std::vector<int64_t> positions = draw_positions(report.window.first, report.window.last - 1, rng);
  const size_t P = positions.size(), n = std::min(static_cast<size_t>(std::max(0, request.causal_edits)), 3 * P);
  std::vector<Edit> edits(n);
  for (size_t i = 0; i < n; ++i) {
    Edit& e = edits[i];
    e.position = positions[i % P];
    e.kind = static_cast<EditKind>((i % P + i / P) % 3);
    const int32_t old = request.tokens[static_cast<size_t>(e.position)];
    if (V > 1) e.replacement = static_cast<int32_t>((static_cast<uint64_t>(old) + 1 + rng.below(V - 1)) % V);
  }
  return edits;
}

namespace {

constexpr int64_t kPackedTokens = 4096;

SequenceState advance(const Model& model, std::span<const int32_t> tokens, SequenceState state) {
  if (tokens.empty()) return state;
  Input input;
  input.tokens = tokens;
  input.states = {&state};
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  ctx.commit();
  return state;
}

// As many as share a pass: kPackedTokens and the limit allow it. Two are too many where the model is too large.
size_t copies_at_once(const Model& model, const ExplainRequest& r, const Window& w) {
  constexpr int64_t kFarBelow = 4;  // parts of the limit: closer to it the cost is measured
  const int64_t limit = (r.mem_limit > 0 ? r.mem_limit : available_memory()) - score_bytes(model, r);
  EditCost cost = w.edit_cost;
  if (cost.each == 0 || cost.of(kFewestCopies) > limit / kFarBelow)
    cost = edit_cost(model, r, w.probe, w.first, w.last);
  check(cost.of(kFewestCopies) <= limit, ErrorCode::kResource,
        "[causal] expected at least {} MiB for two copies of the last {}, found {} MiB; raise the limit or leave "
        "the edits out",
        (cost.of(kFewestCopies) >> 20) + 1, counted(w.last - w.first, "token"), std::max<int64_t>(limit, 0) >> 20);
  const int64_t most =
      std::min(kPackedTokens / (w.last - w.first), (limit - cost.fixed) / std::max<int64_t>(cost.each, 1));
  return static_cast<size_t>(std::max(kFewestCopies, most));
}

}  // namespace

void measure_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   std::span<Edit> edits) {
  if (edits.empty()) return;
  const Window& w = report.window;
  const std::span<const int32_t> tokens(request.tokens);
  const auto range = [&](int64_t a, int64_t b) {
    return tokens.subspan(static_cast<size_t>(a), static_cast<size_t>(b - a));
  };
  const size_t at_once = copies_at_once(model, request, w) - 1;  // beside the unedited one
  const SequenceState before = advance(model, range(w.state_at, w.first), w.state);
  const std::span<const int32_t> few = first_few(w.probe, range(w.first, w.last));
  Arena arena;
  if (std::any_of(edits.begin(), edits.end(), [](const Edit& e) { return e.kind == EditKind::kDropWrite; }))
    verify_writes(model, few, SequenceState(), w.writes, arena);  // beside a huge state they may vanish
  ProgressTask progress(request.progress, "causal check", "edits", edits.size());
  for (size_t i = 0; i < edits.size(); i += at_once) {
    throw_if_stopped();
    const std::span<Edit> some = edits.subspan(i, std::min(at_once, edits.size() - i));
    EditedBatch batch(range(w.first, w.last), w.first, w.writes, arena);
    for (const Edit& e : some) batch.add(e);
    const std::vector<double> values = batch.values(model, before, report.target);
    verify_found(batch.silenced, w.writes);
    const double noise = (model.compute() == DType::kF64 ? 1e-13 : 1e-6) * std::max(1.0, std::abs(values[0]));
    for (size_t e = 0; e < some.size(); ++e) {
      const double change = values[e + 1] - values[0];
      some[e].measured = std::abs(change) <= noise ? 0 : change;
      some[e].changed = batch.changed[e + 1] != 0;
    }
    progress.step(some.size());
  }
}

std::vector<double> predicted_changes(const ExplainRequest& request, const ExplainReport& report,
                                      const MethodReport& method, const ScoreArray& scores,
                                      std::span<const Edit> edits) {
  std::vector<double> out;
  if (edits.empty()) return out;
  const Weight& table = *report.window.embedding;
  for (const Edit& e : edits) {
    const size_t j = static_cast<size_t>(e.position);
    if (e.kind != EditKind::kReplace || !scores.has_adjoint || method.adjoint.empty()) {
      out.push_back(-scores.tokens()[j]);
      continue;
    }
    const std::vector<double> now = weight_row(table, request.tokens[j]), then = weight_row(table, e.replacement);
    const double* adjoint = method.adjoint.data() + static_cast<size_t>(e.position - report.window.first) * now.size();
    double change = 0;
    for (size_t c = 0; c < now.size(); ++c) change += (then[c] - now[c]) * adjoint[c];
    out.push_back(change);
  }
  return out;
}

std::vector<Edit> add_causal(const Model& model, const ExplainRequest& request, ExplainReport& report) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Edit> edits = draw_edits(model, request, report);
  if (request.causal_edits <= 0) return edits;
  measure_edits(model, request, report, edits);
  std::vector<double> measured;
  std::vector<int64_t> positions;
  for (const Edit& e : edits) {
    measured.push_back(e.measured);
    positions.push_back(e.position);
  }
  for (MethodReport& method : report.methods) {
    if (!method.targeted) continue;
    const std::vector<double> predicted = predicted_changes(request, report, method, method.total(), edits);
    CausalReport causal;
    causal.edits = static_cast<int>(edits.size());
    causal.spearman = spearman(predicted, measured);
    causal.spearman_interval = spearman_interval(predicted, measured, positions);
    causal.sign_agreement = sign_agreement(predicted, measured);
    causal.sign_interval = sign_interval(predicted, measured);
    causal.first = report.window.first;
    causal.last = report.window.last - 1;
    method.causal = causal;
  }
  report.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return edits;
}

}  // namespace hindscan
