// The comparison itself: every way in which a wrong array once passed for a right one is caught.
#include "base/testing/compare.h"

namespace hindscan {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = compare::kInf;
constexpr Tolerance kEach{1e-6, 1e-6, Unit::kEach, 1}, kOne{1e-6, 1e-6, Unit::kOne}, kLargest{1e-6, 1e-6},
    kUlp{4, 4, Unit::kUlp32};
constexpr Tolerance kUnits[] = {kEach, kOne, kLargest, kUlp};
// Bars so wide that only what is no number fails.
constexpr Tolerance kWide[] = {kEach.times(1e30), kOne.times(1e30), kLargest.times(1e30), kUlp.times(1e30)};

std::vector<double> numbers(size_t n) {
  std::vector<double> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = std::cos(1.0 + static_cast<double>(i));
  return x;
}

TEST(Compare, WhatIsEqualAgrees) {
  for (const Tolerance& t : kUnits) {
    for (const size_t n : {1, 2, 17, 1000}) EXPECT_TRUE(agree(numbers(n), numbers(n), t)) << n;
    EXPECT_TRUE(agree(numbers(9), numbers(9), t.times(0)));
    EXPECT_TRUE(agree(0.0, -0.0, t.times(0)));
    EXPECT_TRUE(agree(std::vector<float>{1, 2}, std::vector<int>{1, 2}, t));
  }
}

TEST(Compare, NaNNeverAgreesOnEitherSide) {
  for (const Tolerance& t : kWide) {
    for (const size_t n : {1, 2, 3, 64, 1000}) {
      for (const size_t at : {size_t{0}, n / 2, n - 1}) {
        std::vector<double> bad = numbers(n);
        bad[at] = kNaN;
        EXPECT_FALSE(agree(bad, numbers(n), t)) << at << " of " << n;
        EXPECT_FALSE(agree(numbers(n), bad, t)) << at << " of " << n;
        EXPECT_FALSE(agree(bad, bad, t)) << at << " of " << n;
        EXPECT_FALSE(agree(bad, bad, t.or_infinite().or_empty())) << at << " of " << n;
        EXPECT_EQ(difference(bad, numbers(n), t).element, kInf);
      }
    }
    EXPECT_FALSE(agree(std::vector<double>(4, kNaN), numbers(4), t));
    EXPECT_FALSE(agree(kNaN, kNaN, t));
  }
}

TEST(Compare, InfinityAgreesOnlyWithItsEqualAndWhenAsked) {
  for (const Tolerance& t : kWide) {
    for (const size_t at : {0, 8, 16}) {
      std::vector<double> plus = numbers(17), minus = plus;
      plus[at] = kInf, minus[at] = -kInf;
      EXPECT_FALSE(agree(plus, numbers(17), t));
      EXPECT_FALSE(agree(numbers(17), plus, t));
      EXPECT_FALSE(agree(plus, plus, t));
      EXPECT_TRUE(agree(plus, plus, t.or_infinite()));
      EXPECT_FALSE(agree(plus, minus, t.or_infinite()));
      EXPECT_FALSE(agree(numbers(17), plus, t.or_infinite()));
      EXPECT_FALSE(agree(plus, numbers(17), t.or_infinite()));
    }
  }
}

// An infinity that agrees is no unit: it does not hide what is beside it.
TEST(Compare, AnAgreedInfinityHidesNothing) {
  for (const Tolerance& t : kUnits) {
    std::vector<double> want = numbers(5), got = want;
    want[1] = got[1] = kInf;
    got[3] *= 1 + 1e-7;
    EXPECT_TRUE(agree(got, want, t.or_infinite()));
    got[3] += 0.1;
    EXPECT_FALSE(agree(got, want, t.or_infinite()));
  }
}

TEST(Compare, SizesMustBeEqual) {
  for (const Tolerance& t : kWide) {
    EXPECT_FALSE(agree(numbers(3), numbers(4), t.or_empty()));
    EXPECT_FALSE(agree(numbers(4), numbers(3), t.or_empty()));
    EXPECT_FALSE(agree(std::vector<float>{}, numbers(3), t.or_empty()));
    EXPECT_FALSE(agree(numbers(3), std::vector<float>{}, t.or_empty()));
    EXPECT_EQ(difference(numbers(3), numbers(4), t).element, kInf);
  }
}

TEST(Compare, NothingAgreesOnlyWhenAsked) {
  const std::vector<double> none;
  EXPECT_FALSE(agree(none, none, kLargest));
  EXPECT_TRUE(agree(none, none, kLargest.or_empty()));
  EXPECT_TRUE(agree(none, none, none, Tolerance{1, 1, Unit::kGiven}.or_empty()));
  EXPECT_EQ(difference(none, none, kLargest).norm, kInf);
}

TEST(Compare, DenormalsAreNumbers) {
  const float small = std::numeric_limits<float>::denorm_min();
  const double tiny = std::numeric_limits<double>::denorm_min();
  EXPECT_FALSE(agree(std::vector<float>{0, 0}, std::vector<float>{small, small}, kLargest));
  EXPECT_FALSE(agree(std::vector<double>{0, tiny}, std::vector<double>{tiny, tiny}, kLargest));
  EXPECT_FALSE(agree(std::vector<double>{tiny}, std::vector<double>{0}, kLargest));
  EXPECT_TRUE(agree(std::vector<double>{tiny, -tiny}, std::vector<double>{tiny, -tiny}, kLargest));
  EXPECT_TRUE(agree(std::vector<float>{0}, std::vector<float>{small}, kUlp));
}

TEST(Compare, OneWrongElementOfAMillionIsFound) {
  const std::vector<double> want = numbers(1000000);
  for (const size_t at : {size_t{0}, size_t{500000}, size_t{999999}}) {
    std::vector<double> got = want;
    got[at] += 1e-5;
    for (const Tolerance& t : kUnits) EXPECT_FALSE(agree(got, want, t)) << at;
    EXPECT_EQ(difference(got, want, kOne).where, at);
  }
}

// Every element within its bar and yet all of them wrong the same way: the norm finds it.
TEST(Compare, TheNormFindsWhatIsWrongEverywhere) {
  for (const Unit unit : {Unit::kOne, Unit::kEach, Unit::kLargest}) {
    const Tolerance t{1e-3, 1e-5, unit, 1};
    std::vector<double> got = numbers(100000);
    for (double& x : got) x += 5e-4;
    EXPECT_FALSE(agree(got, numbers(100000), t));
    got = numbers(100000);
    got[7] += 5e-4;
    EXPECT_TRUE(agree(got, numbers(100000), t));
  }
}

TEST(Compare, HugeNumbersDoNotOverflow) {
  const std::vector<double> huge(3, 1e308), off(3, 1.1e308), other(3, -1e308);
  EXPECT_TRUE(agree(huge, huge, kLargest));
  EXPECT_FALSE(agree(off, huge, kLargest));
  EXPECT_TRUE(agree(off, huge, kLargest.times(2e5)));
  EXPECT_FALSE(agree(other, huge, kLargest.times(1e30)));
}

TEST(Compare, EachUnitIsWhatItSays) {
  const std::vector<double> want = {1000, 1};
  EXPECT_TRUE(agree(std::vector<double>{1000.0005, 1}, want, kLargest));
  EXPECT_TRUE(agree(std::vector<double>{1000.0005, 1}, want, kEach));
  EXPECT_FALSE(agree(std::vector<double>{1000.0005, 1}, want, kOne));
  EXPECT_TRUE(agree(std::vector<double>{1000, 1.0005}, want, kLargest));
  EXPECT_FALSE(agree(std::vector<double>{1000, 1.0005}, want, kEach));
  EXPECT_FALSE(agree(std::vector<double>{1000, 1.0005}, want, kOne));
  EXPECT_TRUE(agree(1 + 0x3p-23, 1.0, kUlp));
  EXPECT_FALSE(agree(1 + 0x5p-23, 1.0, kUlp));
  const Tolerance given{1e-6, 1e-6, Unit::kGiven};
  EXPECT_TRUE(agree(std::vector<double>{1000, 1.0005}, want, std::vector<double>{1, 1000}, given));
  EXPECT_FALSE(agree(std::vector<double>{1000.0005, 1}, want, std::vector<double>{1, 1000}, given));
  EXPECT_FALSE(agree(want, want, std::vector<double>{1}, given));
  EXPECT_FALSE(agree(want, want, given));
}

TEST(Compare, ABarThatIsNoNumberLetsNothingPass) {
  for (const double bar : {kNaN, kInf}) {
    EXPECT_FALSE(agree(1.0, 1.0, kOne.times(bar)));
    EXPECT_FALSE(agree(1.0, 2.0, kOne.times(bar)));
  }
  EXPECT_FALSE(agree(1.5, 1.0, std::vector<double>{kInf}, Tolerance{1, 1, Unit::kGiven}));
}

TEST(Compare, LargestSeesANaN) {
  EXPECT_EQ(largest(std::vector<float>{1, -3, 2}), 3);
  EXPECT_EQ(largest(std::vector<double>{kNaN, 1}), kInf);
  EXPECT_EQ(largest(std::vector<double>{1, kNaN}), kInf);
}

}  // namespace
}  // namespace hindscan
