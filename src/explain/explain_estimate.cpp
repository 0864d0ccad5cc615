// What a request will take, measured: a part of it is explained on this machine.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/counted.h"
#include "explain/explainer.h"

namespace hindscan {

namespace {

constexpr double kWorthTiming = 3;  // seconds of a first guess

// Seconds to explain the first n tokens, in two chunks, so that all but half of them are recorded twice as usual.
double timed(const Model& model, const ExplainRequest& request, const PassProbe& probe, int64_t n) {
  const int64_t F = model.arch().sizes().feature_dim;
  ExplainRequest few = request;
  few.tokens.resize(F > 0 ? 0 : static_cast<size_t>(n));
  few.features.resize(static_cast<size_t>(F * n));
  few.progress = nullptr;
  std::erase_if(few.methods, [](const MethodSpec& m) { return m.reruns() > 0 || m.own_walks() > 0; });
  const ExplainPlan plan{probe, {}, {.tokens = n, .chunk = probe.whole ? n : (n + 1) / 2, .quadratic_layers = {}}};
  const auto start = std::chrono::steady_clock::now();
  run_explainer(model, few, plan, n - 1);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return seconds / explain_passes(few) * explain_passes(request);  // a walk of a method's own is like the shared one
}

}  // namespace

// Replaces the guess by what this machine makes of one token in 64, and what grows with the square of the tokens by
// what four times as many take.
void time_plan(const Model& model, const ExplainRequest& r, ExplainPlan& p) {
  ExplainEstimate& e = p.estimate;
  if (e.seconds < kWorthTiming || p.probe.reordered) return;
  const int64_t few = std::clamp<int64_t>(e.tokens / 64, 8, 256);
  if (e.tokens < 2 * few) return;
  timed(model, r, p.probe, std::min<int64_t>(few, 16));  // pages of weights and buffers that are touched once
  const double T = static_cast<double>(e.tokens), n = static_cast<double>(few);
  const double guess = e.seconds - e.causal_seconds - e.rerun_seconds - e.quadratic_seconds;
  const double linear = timed(model, r, p.probe, few) / n * T;
  if (e.quadratic_seconds > 0.1 * linear && e.tokens >= 16 * few) {
    const double more = timed(model, r, p.probe, 4 * few) / (4 * n);
    e.quadratic_seconds = std::max(0.0, more - linear / T) / (3 * n) * T * T;
  }
  e.causal_seconds *= linear / guess;
  e.rerun_seconds *= linear / guess;
  e.seconds = linear + e.quadratic_seconds + e.causal_seconds + e.rerun_seconds;
}

std::string to_text(const ExplainEstimate& e) {
  std::string out = fmt::format("{}: about {:.0f} s and {} MiB", counted(e.tokens, "token"), std::ceil(e.seconds),
                                (e.bytes >> 20) + 1);
  if (e.quadratic_layers.empty()) return out;
  return out + fmt::format(", {:.0f} s of it in the attention of layers {}, which grows with the square of the tokens",
                           std::ceil(e.quadratic_seconds), fmt::join(e.quadratic_layers, ", "));
}

}  // namespace hindscan
