// The figures of an estimate, by hand.
#include "explain/estimator.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"

namespace hindscan {
namespace {

TEST(EstimatorErrors, AreThoseOfTheirDefinitions) {
  EstimatorError half, rest, error;
  half.add(3, 4);   // 1 too much
  half.add(0, -2);  // nothing to be found there
  rest.add(-4, 2);  // of the other sign
  rest.add(1, 0);   // missed: not spurious
  error.add(half);
  error.add(rest);
  const double exact = std::sqrt(9.0 + 16 + 1), estimate = std::sqrt(16.0 + 4 + 4),
               difference = std::sqrt(1.0 + 4 + 36 + 1);
  EXPECT_TRUE(agree(error.relative_l2(), difference / exact, tol::kF64Ulp));
  EXPECT_TRUE(agree(error.cosine(), (12.0 - 8) / (exact * estimate), tol::kF64Ulp));
  EXPECT_TRUE(agree(error.spurious(), 5.0 / 8, tol::kF64Ulp));
  EXPECT_TRUE(agree(error.mass_ratio(), 8.0 / 8, tol::kF64Ulp));
  EXPECT_TRUE(agree(half.mass_ratio(), 2.0, tol::kF64Ulp));
}

TEST(EstimatorErrors, OfNothingAreNone) {
  const EstimatorError none;
  for (const double figure : {none.relative_l2(), none.cosine(), none.spurious(), none.mass_ratio()})
    EXPECT_EQ(figure, 0);
}

}  // namespace
}  // namespace hindscan
