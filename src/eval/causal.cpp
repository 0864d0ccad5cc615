#include "eval/causal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/rng.h"
#include "eval/rank.h"
#include "explain/rerun.h"
#include "explain/target.h"

namespace hindscan {

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
  const std::vector<int64_t> positions = draw_positions(report.window.first, report.window.edits_end, rng);
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

std::vector<double> predicted_changes(const ExplainRequest& request, const ExplainReport& report,
                                      const MethodReport& method, const ScoreArray& scores,
                                      std::span<const Edit> edits) {
  std::vector<double> out;
  if (edits.empty()) return out;
  const Weight& table = *report.window.embedding;
  for (const Edit& e : edits) {
    const size_t j = static_cast<size_t>(e.position);
    if (e.kind == EditKind::kDropWrite && method.per_dropped_write != 0) {
      out.push_back(-method.per_dropped_write * scores.tokens()[j]);
      continue;
    }
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
  measure_edits(model, request, report, edits, request.progress, "causal check");
  std::vector<double> measured;
  std::vector<int64_t> positions;
  for (const Edit& e : edits) {
    measured.push_back(e.measured);
    positions.push_back(e.position);
  }
  for (MethodReport& method : report.methods) {
    if (!method.targeted || method.edited != "token") continue;  // a word's score is of no single token
    const std::vector<double> predicted = predicted_changes(request, report, method, method.total(), edits);
    CausalReport causal;
    causal.edits = static_cast<int>(edits.size());
    causal.spearman = spearman(predicted, measured);
    causal.spearman_interval = spearman_interval(predicted, measured, positions);
    causal.sign_agreement = sign_agreement(predicted, measured);
    causal.sign_interval = sign_interval(predicted, measured);
    causal.first = report.window.first;
    causal.last = report.window.edits_end;
    method.causal = causal;
    const MethodSpec& asked = request.methods[static_cast<size_t>(&method - report.methods.data())];
    if (asked.reruns() > 0 && !edits.empty()) method.label += "; some of the edits that judge it are of the same kind";
  }
  report.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return edits;
}

}  // namespace hindscan
