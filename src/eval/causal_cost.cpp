#include "eval/causal_cost.h"

#include <algorithm>
#include <chrono>

#include "base/counted.h"
#include "eval/text_runner.h"
#include "explain/report.h"

namespace hindscan {

// Versions without some tokens: of each method and of the three reference rows that have an order.
static int64_t curves_of(const CausalOptions& options, int64_t tokens) {
  const int64_t rows = std::ssize(options.methods) + 3;
  return std::max<int64_t>(0, rows * 2 * (std::min(tokens - 1, kDeletionSteps) - 1));
}

CausalCost causal_cost(const Model& model, std::span<const EvalText> texts, const CausalOptions& options,
                       const ExplainRequest& longest, int64_t most) {
  using Clock = std::chrono::steady_clock;
  CausalCost out;
  out.texts = std::ssize(texts);
  int64_t tokens = 0;
  for (const EvalText& text : texts) {
    const int64_t T = std::ssize(text.tokens), n = T - text.fixed, each = 2 * options.alternatives;
    const int64_t curves = curves_of(options, n);
    tokens += T;
    out.edits += n * each + n - 1 + options.masks + curves;
    out.tokens += n * (n + 1) / 2 * (each + 1) + options.masks * T + curves * T / 2;
  }
  const int64_t T = std::ssize(longest.tokens), copies = std::max<int64_t>(1, most / T);
  const std::vector<std::vector<int32_t>> versions(static_cast<size_t>(copies), longest.tokens);
  const ExplainEstimate explained = estimate_explain(model, longest);
  const TargetReport target;
  TextRunner runner(model, longest.tokens, target, most);
  const auto start = Clock::now();
  runner.values(versions);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  out.seconds = seconds / static_cast<double>(copies * T) * static_cast<double>(out.tokens) +
                explained.seconds * static_cast<double>(tokens) / static_cast<double>(T);
  return out;
}

std::string to_text(const CausalCost& cost) {
  return fmt::format("about {} for {} and {}", format_duration(cost.seconds), counted(cost.texts, "text"),
                     counted(cost.edits, "edited version"));
}

}  // namespace hindscan
