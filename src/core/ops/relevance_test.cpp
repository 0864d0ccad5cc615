// Epsilon and gamma of every linear op, and identity of activations and norms, against their formulas: the weight from
// each input to each output is found by pulses, the relevance shared output by output.
#include "core/ops/activation.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/ops_test_cases.h"

namespace hindscan {
namespace {

constexpr int64_t kT = 6;

std::vector<OpCase> linear_cases() {
  std::vector<OpCase> out = {
      {"linear", 5, weights({{4, 5}, {4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::linear(c, w[0], &w[1], x); }},
      {"linear without bias", 5, weights({{4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::linear(c, w[0], nullptr, x); }},
      {"linear_rows", 5, weights({{7, 5}, {7}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::linear_rows(c, w[0], &w[1], x, 2, 3); }},
      {"conv", 3, weights({{3, 1, 4}, {3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::causal_conv1d(c, w[0], &w[1], x); }},
      {"conv of one tap", 3, weights({{3, 1, 1}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::causal_conv1d(c, w[0], nullptr, x); }},
  };
  for (OpCase& layout : linear_layout_cases()) out.push_back(std::move(layout));
  return out;
}

AdjointRules shared(const RoleRule& rule) { return exact_rules().set(Role::kLinear, rule).set(Role::kConv, rule); }

const RoleRule kShared[] = {
    {Rule::kEpsilon, 0.3}, {Rule::kGamma, 0, 0.25}, {Rule::kGamma, 0.1, 2}, {Rule::kGamma, 0, 100}};

class LinearRules : public testing::TestWithParam<OpCase> {
 protected:
  LinearRules() {
    x_[3] = 0;  // an input that gives nothing
  }
  OpPass run(const RoleRule& rule, std::span<const float> x) const {
    OpRun op{GetParam(), w_, op_input(GetParam(), x)};
    op.rules = shared(rule);
    return op.run<double>();
  }
  std::vector<double> output(std::span<const float> x) const { return run({}, x).y; }

  WeightTable w_ = op_weights(GetParam(), DType::kF64);
  std::vector<float> x_ = grid_features(kT, GetParam().channels, 5);
};
INSTANTIATE_TEST_SUITE_P(Table, LinearRules, testing::ValuesIn(linear_cases()), [](const auto& one) {
  std::string name;
  for (char ch : one.param.name) name += std::isalnum(static_cast<unsigned char>(ch)) != 0 ? ch : '_';
  return name;
});

// Parts of an output, [inputs + 1]: of each input, then of the bias.
std::vector<double> shares(const std::vector<double>& parts, const RoleRule& rule) {
  double y = 0, denominator = 0;
  for (double z : parts) y += z;
  if (y == 0) return std::vector<double>(parts.size(), 0.0);  // nothing to share
  std::vector<double> raised = parts;
  for (double& z : raised) {
    if (z * y > 0) z += rule.gamma * z;
    denominator += z;
  }
  denominator += y < 0 ? -rule.epsilon : rule.epsilon;
  for (double& z : raised) z *= y / denominator;
  return raised;
}

TEST_P(LinearRules, RelevanceIsSharedByTheFormula) {
  const std::vector<double> bias = output(std::vector<float>(x_.size(), 0.0f)), y = output(x_);
  std::vector<std::vector<double>> parts(y.size(), std::vector<double>(x_.size() + 1));
  for (size_t j = 0; j < y.size(); ++j) parts[j].back() = bias[j];
  for (size_t i = 0; i < x_.size(); ++i) {
    std::vector<float> pulse(x_.size(), 0.0f);
    pulse[i] = x_[i];
    const std::vector<double> one = output(pulse);
    for (size_t j = 0; j < y.size(); ++j) parts[j][i] = one[j] - bias[j];
  }
  const int64_t columns = static_cast<int64_t>(y.size()) / kT;
  for (const RoleRule& rule : kShared) {
    std::vector<double> want(x_.size() + 1, 0.0);  // relevance of each input, then of the bias
    for (size_t j = 0; j < y.size(); ++j) {
      const std::vector<double> s = shares(parts[j], rule);
      const double seed = op_seed(static_cast<int64_t>(j) / columns, static_cast<int64_t>(j) % columns);
      for (size_t i = 0; i < s.size(); ++i) want[i] += seed * s[i];
    }
    const OpPass pass = run(rule, x_);
    std::vector<double> found;
    for (size_t i = 0; i < x_.size(); ++i) found.push_back(static_cast<double>(x_[i]) * pass.dx[i]);
    found.push_back(pass.bias_share);
    EXPECT_TRUE(agree(found, want, tol::kF64Op)) << rule.epsilon << " " << rule.gamma;
    if (rule.epsilon > 0) continue;
    EXPECT_TRUE(agree(pass.signal + pass.bias_share, pass.output, tol::kF64Absolute)) << rule.gamma;
  }
}

TEST_P(LinearRules, NextToNothingIsTheTranspose) {
  x_[3] = 1;  // an output of 0 has nothing to share, whatever its adjoint
  const OpPass exact = run({}, x_);
  for (const RoleRule& rule : {RoleRule{Rule::kEpsilon, 1e-30}, RoleRule{Rule::kGamma, 0, 1e-30}}) {
    const OpPass pass = run(rule, x_);
    EXPECT_TRUE(agree(pass.dx, exact.dx, tol::kF64Op));
    EXPECT_TRUE(agree(pass.bias_share, exact.bias_share, tol::kF64Absolute));
  }
}

TEST_P(LinearRules, FloatAgreesWithDouble) {
  const OpCase& c = GetParam();
  const WeightTable narrow = op_weights(c, DType::kF32);
  WeightTable wide = op_weights(c, DType::kF64);
  wide.copy_from(narrow);
  for (const RoleRule& rule : {RoleRule{Rule::kEpsilon, 0.3}, RoleRule{Rule::kGamma, 0.1, 2}}) {
    OpRun f{c, narrow, op_input(c, x_)}, d{c, wide, op_input(c, x_)};
    f.rules = d.rules = shared(rule);
    const OpPass a = f.run<float>(), b = d.run<double>();
    EXPECT_TRUE(agree(a.dx, b.dx, tol::kF32Backward));
    EXPECT_TRUE(agree(a.bias_share, b.bias_share, tol::kF32Shares));
  }
}

// Rows before a pass are inputs as its own are: their relevance is carried back.
TEST_P(LinearRules, PassesInTurnEqualOne) {
  const OpCase& c = GetParam();
  for (const RoleRule& rule : kShared) {
    const OpPass whole = run(rule, x_);
    for (int64_t cut : {int64_t{0}, int64_t{1}, int64_t{4}, kT}) {
      const size_t at = static_cast<size_t>(cut * c.channels);
      SequenceState state;
      OpRun first{c, w_, op_input(c, std::span<const float>(x_).subspan(0, at))};
      OpRun second{c, w_, op_input(c, std::span<const float>(x_).subspan(at))};
      first.rules = second.rules = shared(rule);
      first.input.states = second.input.states = {&state};
      second.first_row = cut;
      first.run<double>();
      std::vector<SequenceState> between;
      const OpPass b = second.run<double>(nullptr, &between);
      state = {};
      const OpPass a = first.run<double>(&between);
      std::vector<double> dx = a.dx;
      append(dx, b.dx);
      EXPECT_TRUE(agree(dx, whole.dx, tol::kF64Absolute)) << "cut " << cut;
      EXPECT_TRUE(agree(a.bias_share + b.bias_share, whole.bias_share, tol::kF64Absolute)) << "cut " << cut;
    }
  }
}

TEST(RelevanceRules, SixteenBitWeightsAreReadAsTheyAre) {
  const OpCase c = {"linear", 5,
                    [](WeightTable& t) {
                      t.add_matrix("w0", {4, 5}, kWeights);
                    },
                    [](Ctx& ctx, const WeightTable& w, Var x) { return ops::linear(ctx, w[0], nullptr, x); }};
  WeightTable wide = op_weights(c, DType::kF32), narrow = op_weights(c, DType::kBF16);
  narrow.copy_from(wide);
  wide.copy_from(narrow);
  ASSERT_EQ(narrow[0].dtype, DType::kBF16);
  const std::vector<float> x = grid_features(kT, c.channels, 5);
  OpRun a{c, wide, op_input(c, x)}, b{c, narrow, op_input(c, x)};
  a.rules = b.rules = shared({Rule::kGamma, 0, 0.25});
  EXPECT_TRUE(agree(b.run<float>().dx, a.run<float>().dx, tol::kF32Backward));
}

std::vector<OpCase> pointwise_cases() {
  using K = NormOptions::Kind;
  using kernels::Act;
  std::vector<OpCase> out = {
      {"soft cap", 12, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::soft_cap(c, 1.5, x); }},
      norm_case("rms", {}, {{12}}),
      norm_case("rms groups", {K::kRms, 1e-3, 3, true}, {{4}}),
      norm_case("layer", {K::kLayer, 1e-3, 1, false}, {{12}, {12}}),
      norm_case("l2", {K::kL2Max, 1e-12, 3, false}, {}),
  };
  for (const Act act : {Act::kSilu, Act::kSoftplus, Act::kSigmoid, Act::kGelu, Act::kRelu2, Act::kTanh, Act::kIdentity,
                        Act::kRelu, Act::kGeluTanh})
    out.push_back(
        {fmt::format("activation {}", static_cast<int>(act)), 12, {}, [act](Ctx& c, const WeightTable&, Var x) {
           return ops::activation(c, act, x);
         }});
  return out;
}

TEST(RelevanceRules, IdentityKeepsTheRelevanceOfEveryElement) {
  for (const OpCase& c : pointwise_cases()) {
    const WeightTable w = op_weights(c, DType::kF64);
    std::vector<float> x = grid_features(kT, c.channels, 5);
    x[5] = 0;
    for (const double epsilon : {1e-12, 0.2}) {
      OpRun op{c, w, op_input(c, x)};
      const RoleRule identity{Rule::kIdentity, epsilon};
      op.rules =
          exact_rules().set(Role::kActivation, identity).set(Role::kSoftCap, identity).set(Role::kNorm, identity);
      const OpPass pass = op.run<double>();
      std::vector<double> found, want;
      for (size_t i = 0; i < x.size(); ++i) {
        const double seed = op_seed(static_cast<int64_t>(i) / c.channels, static_cast<int64_t>(i) % c.channels);
        const double below = static_cast<double>(x[i]) + (x[i] < 0 ? -epsilon : epsilon);
        found.push_back(pass.dx[i] * below);
        want.push_back(seed * pass.y[i]);
      }
      EXPECT_TRUE(agree(found, want, tol::kF64Op)) << c.name << " " << epsilon;
      EXPECT_EQ(pass.bias_share, 0) << c.name;
    }
  }
}

// y = x s with s held: what the frozen rule of norms without centring says, too.
TEST(RelevanceRules, IdentityIsTheHeldScaleOfARootMeanSquare) {
  const OpCase c = norm_case("rms", {}, {{12}});
  const WeightTable w = op_weights(c, DType::kF64);
  const std::vector<float> x = grid_features(kT, c.channels, 5);
  OpRun identity{c, w, op_input(c, x)}, frozen{c, w, op_input(c, x)};
  identity.rules = exact_rules().set(Role::kNorm, {Rule::kIdentity, 1e-14});
  frozen.rules = frozen_rules();
  EXPECT_TRUE(agree(identity.run<double>().dx, frozen.run<double>().dx, tol::kF64Op));
}

}  // namespace
}  // namespace hindscan
