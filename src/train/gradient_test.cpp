// The gradient of every parameter tensor against finite differences, and f32 against f64.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "core/ops/losses.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

using test::golden_model;

// Two packed sequences, one with a carried state, one with a reset inside, and a mask.
struct Problem {
  std::vector<int32_t> tokens = test::random_tokens(29, 1), targets = test::random_tokens(29, 2);
  std::vector<uint8_t> resets = std::vector<uint8_t>(29, 0);
  std::vector<float> weight;
  SequenceState carried;

  explicit Problem(const Model& model) {
    resets[20] = 1;
    Rng rng(3, "weight");
    for (size_t t = 0; t < tokens.size(); ++t) weight.push_back(t % 5 == 3 ? 0.0f : static_cast<float>(rng.uniform()));
    const std::vector<int32_t> before = test::random_tokens(7, 4);
    Runner(model).step(before, carried);
  }

  // Weighted sum of the losses; with grads, their gradient is added.
  double loss(const Model& model, GradTable* grads, bool recompute = false) const {
    SequenceState first = carried, second;
    Input input;
    input.tokens = tokens;
    input.resets = resets;
    input.cu_seqlens = {0, 13, 29};
    input.states = {&first, &second};
    CtxOptions options;
    options.compute = model.compute();
    options.record = grads != nullptr;
    options.recompute = recompute;
    options.grads = grads;
    Ctx ctx(input, options);
    const Var h = model.arch().forward(ctx);
    std::vector<double> losses(tokens.size(), NAN);
    ops::cross_entropy(ctx, model.arch().head(), h, targets, weight, losses);
    if (grads != nullptr) ctx.backward(training_rules());
    double sum = 0;
    for (size_t t = 0; t < losses.size(); ++t) sum += static_cast<double>(weight[t]) * losses[t];
    return sum;
  }
};

class GradientTest : public testing::TestWithParam<std::string> {};

TEST_P(GradientTest, FiniteDifferencesOfEveryTensor) {
  Model model = golden_model(GetParam(), DType::kF64);
  const Problem problem(model);
  GradTable grads(model.weights(), DType::kF64);
  problem.loss(model, &grads);
  for (size_t k = 0; k < model.weights().size(); ++k) {
    Weight& w = model.weights()[k];
    const std::span<const double> g(grads.of<double>(w), static_cast<size_t>(w.size()));
    auto* data = static_cast<double*>(w.data);
    EXPECT_GT(largest(g), 0) << w.name;
    Rng rng(5, w.name);
    std::vector<double> found, numeric;
    for (int sample = 0; sample < 6; ++sample) {
      const auto i = static_cast<int64_t>(rng.below(static_cast<uint64_t>(w.size())));
      const double saved = data[i], h = 1e-3;
      const auto at = [&](double step) {
        data[i] = saved + step;
        return problem.loss(model, nullptr);
      };
      numeric.push_back((8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h));
      data[i] = saved;
      found.push_back(g[static_cast<size_t>(i)]);
    }
    EXPECT_TRUE(agree(found, numeric, std::vector<double>(6, largest(g)), tol::kModelDifference)) << w.name;
  }
}

TEST_P(GradientTest, FloatAgreesWithDouble) {
  const Model wide = golden_model(GetParam(), DType::kF64), narrow = golden_model(GetParam(), DType::kF32);
  GradTable wide_grads(wide.weights(), DType::kF64), narrow_grads(narrow.weights(), DType::kF32);
  const double a = Problem(wide).loss(wide, &wide_grads), b = Problem(narrow).loss(narrow, &narrow_grads);
  EXPECT_TRUE(agree(b, a, tol::kF32Gradients));
  for (size_t k = 0; k < wide.weights().size(); ++k) {
    const Weight &exact = wide.weights()[k], &w = narrow.weights()[k];
    const auto n = static_cast<size_t>(w.size());
    EXPECT_TRUE(
        agree(std::span(narrow_grads.of<float>(w), n), std::span(wide_grads.of<double>(exact), n), tol::kF32Gradients))
        << w.name;
  }
}

TEST_P(GradientTest, RecomputationChangesNothing) {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    const Model model = golden_model(GetParam(), dtype);
    const Problem problem(model);
    GradTable kept(model.weights(), dtype), again(model.weights(), dtype);
    const double a = problem.loss(model, &kept), b = problem.loss(model, &again, true);
    EXPECT_EQ(a, b);
    for (size_t k = 0; k < model.weights().size(); ++k) {
      const Weight& w = model.weights()[k];
      EXPECT_EQ(std::memcmp(kept.at(w), again.at(w), static_cast<size_t>(w.size()) * dtype_size(dtype)), 0) << w.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GradientTest, testing::ValuesIn(test::kGoldenModels));

}  // namespace
}  // namespace hindscan
