#include "explain/plausible_tokens.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hindscan {

namespace {

// Weights of what follows a token, the largest 1.
void weigh(const float* logits, std::vector<float>& weights) {
  const float top = *std::max_element(logits, logits + weights.size());
  std::transform(logits, logits + weights.size(), weights.begin(), [&](float v) { return std::exp(v - top); });
}

// By its weight, other than `old`.
int32_t draw_other(std::span<const float> weights, int32_t old, Rng& rng) {
  const auto V = static_cast<int32_t>(weights.size());
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

}  // namespace

std::vector<std::vector<int32_t>> plausible_texts(const Model& model, std::span<const int32_t> tokens,
                                                  const SequenceState* before, int64_t kept, size_t count, Rng& rng) {
  std::vector<std::vector<int32_t>> out(count, std::vector<int32_t>(tokens.begin(), tokens.end()));
  std::vector<float> weights(static_cast<size_t>(model.arch().head().rows()));  // [vocab]
  SequenceState state = before == nullptr ? model.initial_state() : *before;
  const auto draw = [&](int64_t position) {
    for (std::vector<int32_t>& text : out) {
      int32_t& token = text[static_cast<size_t>(position)];
      token = draw_other(weights, token, rng);
    }
  };
  Runner(model).logits(tokens, state, [&](int64_t first, int64_t rows, const float* logits) {
    for (int64_t t = first; t < first + rows; ++t) {
      weigh(logits + (t - first) * std::ssize(weights), weights);
      if (t == 0 && kept == 0) draw(0);
      if (t + 1 >= kept && t + 1 < std::ssize(tokens)) draw(t + 1);
    }
  });
  return out;
}

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
      at->second.resize(static_cast<size_t>(V));
      weigh(rows + (at->first - first) * V, at->second);
    }
  };
  const auto read = static_cast<size_t>(weights_.empty() ? 0 : weights_.rbegin()->first + 1);
  if (read > 0) Runner(model).logits(tokens.first(std::min(read, tokens.size())), state, keep);
}

int32_t PlausibleTokens::draw(int64_t position, Rng& rng) const {
  auto from = weights_.find(position - 1);
  if (position == 0) from = std::next(weights_.begin(), static_cast<std::ptrdiff_t>(rng.below(weights_.size())));
  return draw_other(from->second, tokens_[static_cast<size_t>(position)], rng);
}

}  // namespace hindscan
