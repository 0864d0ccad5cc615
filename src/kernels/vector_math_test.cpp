// Accuracy and special values of the vector functions, seen through the activations.
#include "kernels/pointwise.h"
#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

Vec<float> activated(Act act, const Vec<float>& x) {
  Vec<float> y = poisoned<float>(static_cast<int64_t>(x.size()));
  act_forward(act, static_cast<int64_t>(x.size()), x.data(), y.data());
  return y;
}

Vec<float> spread(float from, float to, int n) {
  Vec<float> x;
  for (int i = 0; i < n; ++i) x.push_back(from + (to - from) * static_cast<float>(i) / static_cast<float>(n - 1));
  return x;
}

// In units of the last place of the true value; below the smallest normal the unit stays that number's.
::testing::AssertionResult accurate(Act act, const Vec<float>& x, const Tolerance& t) {
  Vec<double> want = widen(x);
  act_forward(act, static_cast<int64_t>(want.size()), want.data(), want.data());
  return agree(activated(act, x), want, t);
}

TEST(VectorMath, SoftplusIsAccurateEverywhere) {
  EXPECT_TRUE(accurate(Act::kSoftplus, spread(-87.0f, -1.0f, 20011), tol::kF32Ulp));
  EXPECT_TRUE(accurate(Act::kSoftplus, spread(-1.0f, 1.0f, 20011), tol::kF32Ulp));
  EXPECT_TRUE(accurate(Act::kSoftplus, spread(1.0f, 200.0f, 20011), tol::kF32Ulp));
}

TEST(VectorMath, SigmoidSiluAndTanhAreAccurate) {
  EXPECT_TRUE(accurate(Act::kSigmoid, spread(-86.0f, 86.0f, 20011), tol::kF32Ulp));
  EXPECT_TRUE(accurate(Act::kSilu, spread(-80.0f, 80.0f, 20011), tol::kF32Ulp));
  EXPECT_TRUE(accurate(Act::kTanh, spread(-10.0f, 10.0f, 20011), tol::kF32Ulp));
  EXPECT_TRUE(accurate(Act::kTanh, spread(-1e-3f, 1e-3f, 1001), tol::kF32Ulp.times(0.5)));
}

TEST(VectorMath, InfinitiesHaveTheirLimits) {
  const Vec<float> x = {-kInf, kInf};
  EXPECT_EQ(activated(Act::kSoftplus, x), (Vec<float>{0.0f, kInf}));
  EXPECT_EQ(activated(Act::kSigmoid, x), (Vec<float>{0.0f, 1.0f}));
  EXPECT_EQ(activated(Act::kTanh, x), (Vec<float>{-1.0f, 1.0f}));
  EXPECT_EQ(activated(Act::kSoftplus, {-200.0f, 1e30f}), (Vec<float>{0.0f, 1e30f}));
}

// A NaN in any lane, whole vector or tail, reaches exactly its own output.
TEST(VectorMath, NaNStaysNaNAndAlone) {
  for (const Act act : {Act::kSilu, Act::kSoftplus, Act::kSigmoid, Act::kGelu, Act::kRelu2, Act::kTanh, Act::kIdentity,
                        Act::kRelu, Act::kGeluTanh}) {
    for (size_t at = 0; at < 39; ++at) {
      Vec<float> x(39, 0.5f);
      x[at] = std::numeric_limits<float>::quiet_NaN();
      const Vec<float> y = activated(act, x);
      for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i == at) << static_cast<int>(act) << " " << i;
    }
  }
}

TEST(VectorMath, NaNReachesNormConvolutionAndLoss) {
  const int64_t T = 3, C = 37;
  for (const int64_t at : {int64_t{0}, int64_t{20}, C - 1}) {
    Vec<float> x = random_floats(T * C, 1), y = poisoned<float>(T * C), rstd = poisoned<float>(T);
    x[static_cast<size_t>(C + at)] = std::numeric_limits<float>::quiet_NaN();
    rmsnorm_forward(T, C, x.data(), nullptr, 1e-5f, y.data(), rstd.data());
    EXPECT_TRUE(std::isfinite(rstd[0]) && std::isnan(rstd[1]) && std::isfinite(rstd[2]));
    const Vec<int32_t> targets = {1, 2, 3};
    Vec<float> losses = poisoned<float>(T);
    cross_entropy(T, C, x.data(), targets.data(), nullptr, losses.data(), static_cast<float*>(nullptr));
    EXPECT_TRUE(std::isfinite(losses[0]) && std::isnan(losses[1]) && std::isfinite(losses[2]));
    const Vec<float> w = random_floats(C * 2, 2);
    Vec<float> past(static_cast<size_t>(C), 0.0f);
    conv1d_forward(T, C, 2, w.data(), nullptr, x.data(), past.data(), y.data());
    for (int64_t i = 0; i < T * C; ++i) {
      EXPECT_EQ(std::isnan(y[static_cast<size_t>(i)]), i == C + at || i == 2 * C + at) << i;
    }
  }
}

}  // namespace
}  // namespace hindscan::kernels
