#include "eval/bootstrap.h"

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace hindscan {

std::optional<Interval> bootstrap_interval(size_t groups, size_t resamples,
                                           FunctionRef<std::optional<double>(std::span<const size_t> drawn)> figure) {
  if (groups < kFewestGroups) return std::nullopt;
  Rng rng(0, "bootstrap");
  std::vector<double> found;
  std::vector<size_t> drawn(groups);
  for (size_t r = 0; r < resamples; ++r) {
    for (size_t& g : drawn) g = static_cast<size_t>(rng.below(groups));
    if (const std::optional<double> value = figure(drawn)) found.push_back(*value);
  }
  if (found.empty() || found.size() < resamples * 9 / 10) return std::nullopt;
  std::sort(found.begin(), found.end());
  const auto quantile = [&](double q) { return found[static_cast<size_t>(q * static_cast<double>(found.size() - 1))]; };
  return Interval{quantile(0.025), quantile(0.975)};
}

}  // namespace hindscan
