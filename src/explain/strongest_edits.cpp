#include "explain/strongest_edits.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hindscan {

void StrongestEdits::add(int64_t tokens, std::vector<double> distances) {
  const double mean = std::accumulate(distances.begin(), distances.end(), 0.0) /
                      std::max<double>(1, static_cast<double>(distances.size()));
  longest_ = {static_cast<double>(tokens), mean, std::move(distances)};
  if (shortest_.mean == 0 || shortest_.tokens >= longest_.tokens) shortest_ = longest_;
}

std::vector<double> StrongestEdits::at(int64_t tokens) const {
  double grows = 0;
  if (shortest_.mean > 0 && longest_.mean > 0 && shortest_.tokens < longest_.tokens)
    grows =
        std::clamp(std::log(longest_.mean / shortest_.mean) / std::log(longest_.tokens / shortest_.tokens), 0.0, 1.0);
  std::vector<double> out = longest_.distances;
  for (double& d : out) d *= std::pow(static_cast<double>(tokens) / longest_.tokens, grows);
  return out;
}

}  // namespace hindscan
