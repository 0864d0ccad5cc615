// How close is close: every bar of the tests, by name. A test takes a name from this table and writes no number.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

namespace hindscan {

// What an error is measured in.
enum class Unit {
  kOne,      // 1: absolute
  kEach,     // floor + |want| of the element
  kLargest,  // the largest |want| of the array, at least floor
  kUlp32,    // the last place of |want| as a float, at least that of the smallest normal
  kGiven,    // handed to agree() with the arrays: a bound of what the element was summed from
};

// Both bars hold: `element` for every |got - want| in units; `norm` for the root mean square of got - want over that of
// the units (of want itself where the unit is the largest element). Few elements may all round unluckily: see norm_bar.
struct Tolerance {
  double element, norm;
  Unit unit = Unit::kLargest;
  double floor = 0;
  bool empty = false, infinities = false;

  // The bar of n elements: `element` of one, `norm` of many.
  double norm_bar(size_t n) const { return norm + std::max(0.0, element - norm) / std::sqrt(static_cast<double>(n)); }

  // The same bars, some factor wider or tighter.
  constexpr Tolerance times(double factor) const {
    Tolerance t = *this;
    t.element *= factor;
    t.norm *= factor;
    return t;
  }
  // Two empty arrays agree: for loops over sizes that begin at nothing.
  constexpr Tolerance or_empty() const {
    Tolerance t = *this;
    t.empty = true;
    return t;
  }
  // Equal infinities agree: where an infinity is the answer.
  constexpr Tolerance or_infinite() const {
    Tolerance t = *this;
    t.infinities = true;
    return t;
  }
};

namespace tol {

// The same arithmetic in the same order.
inline constexpr Tolerance kEqual{0, 0};

}  // namespace tol
}  // namespace hindscan
