#include "eval/bootstrap.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/rng.h"

namespace hindscan {

std::optional<Interval> bootstrap_interval(size_t groups, size_t resamples,
                                           FunctionRef<std::optional<double>(std::span<const size_t> drawn)> figure) {
  return bootstrap_interval(std::vector<size_t>(groups), resamples, figure);
}

std::optional<Interval> bootstrap_interval(std::span<const size_t> sorts, size_t resamples,
                                           FunctionRef<std::optional<double>(std::span<const size_t> drawn)> figure) {
  std::map<size_t, std::vector<size_t>> members;
  for (size_t g = 0; g < sorts.size(); ++g) members[sorts[g]].push_back(g);
  const bool few =
      std::any_of(members.begin(), members.end(), [](const auto& m) { return m.second.size() < kFewestGroups; });
  if (few || members.empty()) return std::nullopt;
  Rng rng(0, "bootstrap");
  std::vector<double> found;
  std::vector<size_t> drawn(sorts.size());
  for (size_t r = 0; r < resamples; ++r) {
    for (size_t g = 0; g < drawn.size(); ++g) {
      const std::vector<size_t>& alike = members[sorts[g]];
      drawn[g] = alike[static_cast<size_t>(rng.below(alike.size()))];
    }
    if (const std::optional<double> value = figure(drawn)) found.push_back(*value);
  }
  if (found.empty() || found.size() < resamples * 9 / 10) return std::nullopt;
  std::sort(found.begin(), found.end());
  const auto quantile = [&](double q) { return found[static_cast<size_t>(q * static_cast<double>(found.size() - 1))]; };
  return Interval{quantile(0.025), quantile(0.975)};
}

}  // namespace hindscan
