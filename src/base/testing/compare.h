// The one comparison of the tests: each element and the norm, sizes too. A NaN never agrees, not even with a NaN; an
// infinity agrees with its equal where the tolerance says so.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/testing/tolerances.h"

namespace hindscan {
namespace compare {

inline constexpr double kInf = std::numeric_limits<double>::infinity();

template <class X>
std::vector<double> doubles(const X& x) {
  if constexpr (std::is_arithmetic_v<X>) {
    return {static_cast<double>(x)};
  } else {
    std::vector<double> out;
    out.reserve(std::size(x));
    for (const auto& value : x) out.push_back(static_cast<double>(value));
    return out;
  }
}

inline double ulp32(double x) {
  if (!std::isfinite(x)) return x;  // has no exponent
  const double magnitude = std::max(std::abs(x), double{std::numeric_limits<float>::min()});
  return std::ldexp(1.0, std::ilogb(magnitude) - 23);
}

// a / b where no error is no error, in any unit.
inline double ratio(double a, double b) {
  return a == 0 ? 0 : std::isfinite(a) && std::isfinite(b) && b > 0 ? a / b : kInf;
}

// The largest |x|, infinite for a NaN; equal infinities may be left out.
inline double largest(const std::vector<double>& x, bool finite_only = false) {
  double out = 0;
  for (const double value : x) {
    const double size = std::isnan(value) ? kInf : std::abs(value);
    if (size > out && (std::isfinite(size) || !finite_only)) out = size;
  }
  return out;
}

// ||x||, without overflow or underflow.
inline double norm(const std::vector<double>& x) {
  const double scale = largest(x);
  if (scale == 0 || !std::isfinite(scale)) return scale;
  double sum = 0;
  for (const double value : x) sum += value / scale * (value / scale);
  return scale * std::sqrt(sum);
}

}  // namespace compare

// The largest |x|; infinite when one is NaN.
template <class X>
double largest(const X& x) {
  return compare::largest(compare::doubles(x));
}

// Errors in the units of a tolerance; infinite where there is nothing to measure.
struct Difference {
  double element = compare::kInf, norm = compare::kInf;
  size_t where = 0;  // the worst element
};

namespace compare {

inline double unit_of(double want, double top, const Tolerance& t) {
  if (t.unit == Unit::kOne) return 1;
  if (t.unit == Unit::kEach) return t.floor + std::abs(want);
  return t.unit == Unit::kUlp32 ? ulp32(want) : top;
}

// Of arrays of one size.
inline Difference measure(const std::vector<double>& got, const std::vector<double>& want,
                          const std::vector<double>& given, const Tolerance& t) {
  if (want.empty()) return {};
  const double top = std::max(t.floor, largest(want, t.infinities));
  std::vector<double> errors(want.size()), in_units(want.size()), sizes(want.size());
  Difference out{0, 0, 0};
  for (size_t i = 0; i < want.size(); ++i) {
    const bool infinite = t.infinities && std::isinf(want[i]) && got[i] == want[i];
    const double error = infinite ? 0 : std::abs(got[i] - want[i]);
    errors[i] = std::isfinite(error) ? error : kInf;
    sizes[i] = infinite ? 0 : std::max(t.floor, std::abs(want[i]));
    in_units[i] = ratio(errors[i], t.unit == Unit::kGiven ? std::max(t.floor, given[i]) : unit_of(want[i], top, t));
    if (in_units[i] > out.element) out.element = in_units[i], out.where = i;
  }
  const double mean = norm(in_units) / std::sqrt(static_cast<double>(want.size()));
  out.norm = t.unit == Unit::kLargest ? ratio(norm(errors), norm(sizes)) : mean;
  return out;
}

inline ::testing::AssertionResult agree(const std::vector<double>& got, const std::vector<double>& want,
                                        const std::vector<double>& given, const Tolerance& t) {
  const auto failure = [] { return ::testing::AssertionFailure(); };
  const size_t units = t.unit == Unit::kGiven ? want.size() : 0;
  if (got.size() != want.size() || given.size() != units)
    return failure() << "sizes differ: got " << got.size() << ", want " << want.size() << ", units " << given.size();
  if (!std::isfinite(t.element) || !std::isfinite(t.norm)) return failure() << "a bar that is no number";
  if (want.empty() && t.empty) return ::testing::AssertionSuccess();
  if (want.empty()) return failure() << "nothing to compare: both are empty";
  const Difference d = measure(got, want, given, t);
  if (d.element <= t.element && d.norm <= t.norm_bar(want.size())) return ::testing::AssertionSuccess();
  return failure() << "element " << d.where << " of " << want.size() << ": got " << got[d.where] << ", want "
                   << want[d.where] << ", error " << d.element << " (bar " << t.element << "); norm of the error "
                   << d.norm << " (bar " << t.norm_bar(want.size()) << ")";
}

}  // namespace compare

// got against want, numbers or arrays: EXPECT_TRUE(agree(y, reference, tol::kF32Kernel)) << "forward".
template <class A, class B>
::testing::AssertionResult agree(const A& got, const B& want, const Tolerance& t) {
  return compare::agree(compare::doubles(got), compare::doubles(want), {}, t);
}

// With a unit for every element, e.g. the sum of the absolute values of its terms.
template <class A, class B, class C>
::testing::AssertionResult agree(const A& got, const B& want, const C& units, const Tolerance& t) {
  return compare::agree(compare::doubles(got), compare::doubles(want), compare::doubles(units), t);
}

// How far apart two arrays are, for tests that expect a difference or report one.
template <class A, class B>
Difference difference(const A& got, const B& want, const Tolerance& t) {
  const std::vector<double> a = compare::doubles(got), b = compare::doubles(want);
  return a.size() == b.size() ? compare::measure(a, b, {}, t) : Difference{};
}

}  // namespace hindscan
