// What a function's results are worth in float: how far they move when its inputs move by one rounding. A float kernel
// cannot do better, so its errors are measured in that (Unit::kGiven): cancellation in the problem is no fault of it.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace hindscan {

using Arrays = std::vector<std::vector<double>>;

// |f| and the largest of some moves of f(inputs), in units of the relative move; shaped as f's results.
template <class F>
Arrays sensitivity(const Arrays& inputs, const F& f) {
  constexpr double kMove = std::numeric_limits<float>::epsilon();
  const Arrays at = f(inputs);
  Arrays moved = at;
  for (std::vector<double>& array : moved) {
    for (double& x : array) x = 0;
  }
  for (uint64_t trial = 0; trial < 4; ++trial) {
    Rng rng(trial, "sensitivity");
    Arrays near = inputs;
    for (std::vector<double>& array : near) {
      for (double& x : array) x *= 1 + kMove * (4 * rng.uniform() - 2);
    }
    const Arrays there = f(near);
    for (size_t k = 0; k < at.size(); ++k) {
      for (size_t i = 0; i < at[k].size(); ++i)
        moved[k][i] = std::max(moved[k][i], std::abs(there[k][i] - at[k][i]) / kMove);
    }
  }
  for (size_t k = 0; k < at.size(); ++k) {
    for (size_t i = 0; i < at[k].size(); ++i) moved[k][i] += std::abs(at[k][i]);
  }
  return moved;
}

}  // namespace hindscan
