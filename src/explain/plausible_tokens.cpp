#include "explain/plausible_tokens.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hindscan {

static std::vector<int64_t> all_positions(size_t n) {
  std::vector<int64_t> out(n + 1);  // what follows the last one, too
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

PlausibleTokens::PlausibleTokens(const Model& model, std::span<const int32_t> tokens)
    : PlausibleTokens(model, tokens, all_positions(tokens.size()), nullptr) {}

PlausibleTokens::PlausibleTokens(const Model& model, std::span<const int32_t> tokens,
                                 std::span<const int64_t> positions, const SequenceState* before)
    : tokens_(tokens) {
  for (const int64_t p : positions) weights_[std::max<int64_t>(p - 1, 0)];
  const int64_t V = model.arch().head().rows();
  SequenceState state = before == nullptr ? model.initial_state() : *before;
  const auto keep = [&](int64_t first, int64_t count, const float* rows) {
    for (auto at = weights_.lower_bound(first); at != weights_.end() && at->first < first + count; ++at) {
      const float* row = rows + (at->first - first) * V;
      const float top = *std::max_element(row, row + V);
      at->second.resize(static_cast<size_t>(V));
      std::transform(row, row + V, at->second.begin(), [&](float v) { return std::exp(v - top); });
    }
  };
  const auto read = static_cast<size_t>(weights_.empty() ? 0 : weights_.rbegin()->first + 1);
  if (read > 0) Runner(model).logits(tokens.first(std::min(read, tokens.size())), state, keep);
}

int32_t PlausibleTokens::draw(int64_t position, Rng& rng) const {
  auto from = weights_.find(position - 1);
  if (position == 0) from = std::next(weights_.begin(), static_cast<std::ptrdiff_t>(rng.below(weights_.size())));
  const std::vector<float>& weights = from->second;  // [vocab]
  const auto V = static_cast<int32_t>(weights.size());
  const int32_t old = tokens_[static_cast<size_t>(position)];
  double all = 0;
  for (int32_t v = 0; v < V; ++v) all += v == old ? 0 : static_cast<double>(weights[static_cast<size_t>(v)]);
  double left = rng.uniform() * all;
  int32_t last = old == 0 ? 1 : 0;  // where nothing else has a weight
  for (int32_t v = 0; v < V; ++v) {
    const float weight = weights[static_cast<size_t>(v)];
    if (v == old || !(weight > 0)) continue;
    last = v;
    left -= static_cast<double>(weight);
    if (left < 0) break;
  }
  return last;
}

}  // namespace hindscan
