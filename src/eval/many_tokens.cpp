#include "eval/many_tokens.h"

#include <algorithm>
#include <numeric>

#include "base/order.h"
#include "eval/rank.h"

namespace hindscan {

namespace {

// Tokens in the order in which they go; equal scores by place.
std::vector<int64_t> order_of(std::span<const double> scores, int64_t first, int64_t last) {
  std::vector<int64_t> out(static_cast<size_t>(last - first));
  std::iota(out.begin(), out.end(), first);
  std::stable_sort(out.begin(), out.end(), [&](int64_t a, int64_t b) {
    return descending(scores[static_cast<size_t>(a)], scores[static_cast<size_t>(b)]);
  });
  return out;
}

std::vector<int32_t> without(std::span<const int32_t> tokens, std::span<const int64_t> gone) {
  std::vector<char> keep(tokens.size(), 1);
  for (const int64_t t : gone) keep[static_cast<size_t>(t)] = 0;
  std::vector<int32_t> out;
  for (size_t t = 0; t < tokens.size(); ++t) {
    if (keep[t] != 0) out.push_back(tokens[t]);
  }
  return out;
}

}  // namespace

MaskTrial run_masks(TextRunner& runner, std::span<const int32_t> tokens, std::span<const Edit> single,
                    std::vector<std::vector<size_t>> masks) {
  MaskTrial out{std::move(masks), {}};
  std::vector<std::vector<int32_t>> texts;
  for (const std::vector<size_t>& mask : out.masks) {
    texts.emplace_back(tokens.begin(), tokens.end());
    for (const size_t e : mask) texts.back()[static_cast<size_t>(single[e].position)] = single[e].replacement;
  }
  for (const Outcome& o : runner.values(texts)) out.changes.push_back(o.contrast - runner.unedited().contrast);
  return out;
}

std::optional<double> additivity(const MaskTrial& trial, std::span<const double> single) {
  std::vector<double> sums;
  for (const std::vector<size_t>& mask : trial.masks) {
    double sum = 0;
    for (const size_t e : mask) sum += single[e];
    sums.push_back(sum);
  }
  return spearman(sums, trial.changes);
}

std::optional<Outcome> deletion_area(TextRunner& runner, std::span<const int32_t> tokens, int64_t first, int64_t last,
                                     std::span<const double> scores) {
  const int64_t n = last - first, steps = std::min(n, kDeletionSteps);
  if (steps < 2) return std::nullopt;
  const std::vector<int64_t> highest = order_of(scores, first, last), lowest(highest.rbegin(), highest.rend());
  std::vector<std::vector<int32_t>> texts;
  for (int64_t s = 1; s < steps; ++s) {  // both begin with the whole text and end with nothing left to take out
    const auto gone = static_cast<size_t>(n * s / steps);
    texts.push_back(without(tokens, std::span(lowest).first(gone)));
    texts.push_back(without(tokens, std::span(highest).first(gone)));
  }
  const std::vector<Outcome> values = runner.values(texts);
  Outcome area;
  for (size_t i = 0; i < values.size(); i += 2) {
    area.contrast += (values[i].contrast - values[i + 1].contrast) / static_cast<double>(steps);
    area.log_p += (values[i].log_p - values[i + 1].log_p) / static_cast<double>(steps);
  }
  return area;
}

}  // namespace hindscan
