#include "eval/edit_draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hindscan {

std::vector<Edit> draw_plausible(const PlausibleTokens& plausible, int64_t first, int64_t last, int64_t count,
                                 Rng& rng) {
  std::vector<Edit> out;
  for (int64_t t = first; t < last; ++t) {
    for (int64_t k = 0; k < count; ++k) out.push_back({EditKind::kReplace, t, plausible.draw(t, rng)});
  }
  return out;
}

std::vector<Edit> draw_random(std::span<const int32_t> tokens, int64_t vocab, int64_t first, int64_t last,
                              int64_t count, Rng& rng) {
  std::vector<Edit> out;
  const auto V = static_cast<uint64_t>(vocab);
  for (int64_t t = first; t < last; ++t) {
    const auto old = static_cast<uint64_t>(tokens[static_cast<size_t>(t)]);
    for (int64_t k = 0; k < count; ++k)
      out.push_back({EditKind::kReplace, t, static_cast<int32_t>((old + 1 + rng.below(V - 1)) % V)});
  }
  return out;
}

std::vector<Edit> removals(int64_t first, int64_t last) {
  std::vector<Edit> out;
  for (int64_t t = first; t < last; ++t) out.push_back({EditKind::kRemove, t, 0});
  return out;
}

std::vector<std::vector<size_t>> draw_masks(size_t edits, int64_t each, double share, int64_t count, Rng& rng) {
  const auto per_token = static_cast<size_t>(each), tokens = edits / per_token;
  const auto chosen = static_cast<size_t>(std::max(1.0, std::round(share * static_cast<double>(tokens))));
  std::vector<std::vector<size_t>> out;
  std::vector<size_t> order(tokens);
  std::iota(order.begin(), order.end(), size_t{0});
  for (int64_t m = 0; m < count && tokens > 0; ++m) {
    for (size_t i = 0; i < std::min(chosen, tokens); ++i) std::swap(order[i], order[i + rng.below(tokens - i)]);
    out.emplace_back();
    for (size_t i = 0; i < std::min(chosen, tokens); ++i)
      out.back().push_back(order[i] * per_token + rng.below(per_token));
  }
  return out;
}

}  // namespace hindscan
