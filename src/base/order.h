// Orders of numbers that may be NaN: strict weak, with every NaN last, as std::sort and its kin require.
#pragma once
#include <cmath>

namespace hindscan {

template <class R>
bool ascending(R a, R b) {
  return std::isnan(b) ? !std::isnan(a) : a < b;
}

template <class R>
bool descending(R a, R b) {
  return std::isnan(b) ? !std::isnan(a) : a > b;
}

}  // namespace hindscan
