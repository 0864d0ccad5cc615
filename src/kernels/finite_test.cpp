#include "kernels/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace hindscan::kernels {
namespace {

template <class R>
void finds_it() {
  using Limits = std::numeric_limits<R>;
  for (const int64_t n : {1, 2, 17, 63, 1000, 4096, 4097, 9000}) {
    const std::vector<R> extremes = {R(0), -R(0), Limits::max(), Limits::lowest(), Limits::denorm_min(), Limits::min()};
    std::vector<R> x;
    for (int64_t i = 0; i < n; ++i) x.push_back(extremes[static_cast<size_t>(i) % extremes.size()]);
    EXPECT_EQ(first_non_finite(n, x.data()), -1) << n;
    for (const R bad : {Limits::quiet_NaN(), -Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
      for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
        std::vector<R> y = x;
        y.back() = y[static_cast<size_t>(at)] = bad;
        EXPECT_EQ(first_non_finite(n, y.data()), at) << n;
        EXPECT_EQ(first_non_finite(at, y.data()), -1) << n;
      }
    }
  }
}

TEST(CaseA1, TheFirstNumberThatIsNotFiniteIsFound) {
  finds_it<float>();
  finds_it<double>();
}

}  // namespace
}  // namespace hindscan::kernels
