// The ends of a pass: heads with bias, scale and soft cap, and the regression loss.
#include "core/ops/losses.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "core/context.h"
#include "core/ops/embedding.h"

namespace hindscan {
namespace {

constexpr int64_t kRows = 5, kChannels = 4, kVocab = 7;
const std::vector<int32_t> kTargets = {3, 0, 6, 2, 2};
const std::vector<float> kMask = {1, 0.5f, 0, 2, 1};

struct HeadCase {
  WeightTable table;
  Weight *weight, *bias;
  std::vector<float> x;
  double scale, soft_cap;

  HeadCase(DType dtype, double s, double cap) : scale(s), soft_cap(cap) {
    weight = &table.add_matrix("head", {kVocab, kChannels}, Init::normal(0.8));
    bias = &table.add("bias", {kVocab}, Init::normal(0.8));
    table.allocate(dtype);
    table.initialise(3);
    Rng rng(4);
    for (int64_t i = 0; i < kRows * kChannels; ++i)
      x.push_back(static_cast<float>(std::round(rng.normal() * 1024) / 1024));
  }
  LogitHead head() const {
    LogitHead h(*weight);
    h.bias = bias;
    h.scale = scale;
    h.soft_cap = soft_cap;
    return h;
  }
  Input input() const {
    Input in;
    in.features = x;
    in.feature_dim = kChannels;
    return in;
  }
  // Weighted loss by the formula.
  double expected() const {
    double total = 0;
    for (int64_t t = 0; t < kRows; ++t) {
      std::vector<double> z;
      for (int64_t v = 0; v < kVocab; ++v) {
        double sum = 0;
        for (int64_t c = 0; c < kChannels; ++c) {
          sum +=
              weight->as<double>()[v * kChannels + c] * static_cast<double>(x[static_cast<size_t>(t * kChannels + c)]);
        }
        sum = sum * scale + bias->as<double>()[v];
        z.push_back(soft_cap > 0 ? soft_cap * std::tanh(sum / soft_cap) : sum);
      }
      double sum = 0;
      for (double v : z) sum += std::exp(v);
      const size_t row = static_cast<size_t>(t);
      total += static_cast<double>(kMask[row]) * (std::log(sum) - z[static_cast<size_t>(kTargets[row])]);
    }
    return total;
  }
};

class Heads : public testing::TestWithParam<std::pair<double, double>> {};

TEST_P(Heads, CrossEntropyAndItsGradients) {
  HeadCase c(DType::kF64, GetParam().first, GetParam().second);
  GradTable grads(c.table, DType::kF64);
  CtxOptions o;
  o.record = true;
  o.compute = DType::kF64;
  o.grads = &grads;
  Ctx ctx(c.input(), o);
  const Var h = ops::features(ctx);
  std::vector<double> losses(kRows);
  ops::cross_entropy(ctx, c.head(), h, kTargets, kMask, losses);
  double total = 0;
  for (int64_t t = 0; t < kRows; ++t)
    total += static_cast<double>(kMask[static_cast<size_t>(t)]) * losses[static_cast<size_t>(t)];
  EXPECT_TRUE(agree(total, c.expected(), tol::kF64Absolute));
  constexpr double step = 1.0 / 1024;
  const auto slope = [&](auto& at) {
    const auto kept = at;
    const auto shifted = [&](double by) {
      at = static_cast<std::remove_reference_t<decltype(at)>>(static_cast<double>(kept) + by);
      return c.expected();
    };
    const double out = (8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) / (12 * step);
    at = kept;
    return out;
  };
  std::vector<double> slopes;
  for (float& x : c.x) slopes.push_back(slope(x));
  EXPECT_TRUE(agree(std::span(ctx.grad<double>(h), slopes.size()), slopes, tol::kGridDifference));
  for (const Weight* w : {c.weight, c.bias}) {
    slopes.clear();
    for (double& x : std::span(static_cast<double*>(w->data), static_cast<size_t>(w->size())))
      slopes.push_back(slope(x));
    EXPECT_TRUE(agree(std::span(grads.of<double>(*w), slopes.size()), slopes, tol::kGridDifference)) << w->name;
  }
}
INSTANTIATE_TEST_SUITE_P(Forms, Heads,
                         testing::Values(std::pair{1.0, 0.0}, std::pair{0.4, 0.0}, std::pair{1.0, 2.5},
                                         std::pair{1.7, 1.5}));

TEST(Losses, FloatHeadAgreesWithDouble) {
  HeadCase narrow(DType::kF32, 1.7, 1.5), wide(DType::kF64, 1.7, 1.5);
  wide.table.copy_from(narrow.table);
  GradTable a(narrow.table, DType::kF32), b(wide.table, DType::kF64);
  std::vector<double> la(kRows), lb(kRows);
  CtxOptions o;
  o.record = true;
  o.grads = &a;
  Ctx f(narrow.input(), o);
  ops::cross_entropy(f, narrow.head(), ops::features(f), kTargets, kMask, la);
  o.compute = DType::kF64;
  o.grads = &b;
  Ctx d(wide.input(), o);
  ops::cross_entropy(d, wide.head(), ops::features(d), kTargets, kMask, lb);
  EXPECT_TRUE(agree(la, lb, tol::kF32Loss));
  EXPECT_TRUE(
      agree(std::span(a.of<float>(*narrow.bias), kVocab), std::span(b.of<double>(*wide.bias), kVocab), tol::kF32Loss));
  EXPECT_TRUE(agree(std::span(a.of<float>(*narrow.weight), kVocab * kChannels),
                    std::span(b.of<double>(*wide.weight), kVocab * kChannels), tol::kF32Loss.times(2.5)));
}

TEST(Losses, RegressionIsTheMeanSquareAndItsSlope) {
  const std::vector<float> x = {1, 2, -1, 0.5f}, targets = {0, 4, -1, 1}, weight = {1, 3};
  Input in;
  in.features = x;
  in.feature_dim = 2;
  CtxOptions o;
  o.record = true;
  Ctx ctx(in, o);
  const Var h = ops::features(ctx);
  std::vector<double> losses(2);
  ops::regression_loss(ctx, h, targets, weight, losses);
  EXPECT_EQ(losses, (std::vector<double>{2.5, 0.125}));
  const std::vector<float> want = {1, -2, 0, -1.5f};  // weight * 2 (x - target) / 2
  for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(ctx.grad<float>(h)[i], want[i]);
  EXPECT_THROW(ops::regression_loss(ctx, h, std::span<const float>(targets).subspan(1), weight, losses), Error);
}

}  // namespace
}  // namespace hindscan
