// The adjoint of the tape: recomputed blocks, carried states, rules and paths.
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "core/context_test_support.h"

namespace hindscan {
namespace {

TEST(Ctx, RecomputedBlocksGiveTheSameGradients) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(17, 3);
  GradTable a(toy.table, DType::kF64), b(toy.table, DType::kF64);
  const Pass plain = run(toy, features(x), training_rules(), false, &a);
  const Pass again = run(toy, features(x), training_rules(), true, &b);
  EXPECT_TRUE(agree(plain.dx, again.dx, tol::kEqual));
  for (size_t k = 0; k < toy.table.size(); ++k) {
    const Weight& w = toy.table[k];
    for (int64_t i = 0; i < w.size(); ++i) ASSERT_EQ(a.of<double>(w)[i], b.of<double>(w)[i]) << w.name;
  }
}

// Which gates are signals is known again in the second run.
TEST(Ctx, RecomputedBlocksFollowTheRules) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(17, 3);
  const Pass frozen = run(toy, features(x), frozen_rules());
  for (const AdjointRules& rules : {frozen_rules(), half_rules()}) {
    const Pass plain = run(toy, features(x), rules), again = run(toy, features(x), rules, true);
    EXPECT_TRUE(agree(plain.dx, again.dx, tol::kEqual));
  }
  EXPECT_NE(run(toy, features(x), half_rules(), true).dx, frozen.dx);
}

TEST(Ctx, InputGradientAgreesWithFiniteDifferences) {
  const Toy toy(DType::kF64);
  std::vector<float> x = random_features(8, 4);
  const Pass base = run(toy, features(x), exact_rules());
  const auto loss = [&] {
    const Pass p = run(toy, features(x), exact_rules());
    double sum = 0;
    for (size_t i = 0; i < p.y.size(); ++i) sum += p.y[i] * std::sin(static_cast<double>(i));
    return sum;
  };
  for (size_t i = 0; i < x.size(); i += 5) {
    const float keep = x[i], step = 0x1p-10f;
    x[i] = keep + step;
    const double up = loss(), h1 = static_cast<double>(x[i]);
    x[i] = keep - step;
    const double down = loss(), h0 = static_cast<double>(x[i]);
    x[i] = keep;
    EXPECT_TRUE(agree(base.dx[i], (up - down) / (h1 - h0), tol::kFloatSteps));
  }
}

// The state's adjoint carried from the later chunk to the earlier one gives the whole adjoint.
TEST(Ctx, AdjointOfTheCarriedStateJoinsChunks) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(11, 5);
  for (const AdjointRules& rules : {exact_rules(), frozen_rules(), half_rules()}) {
    const Pass whole = run(toy, features(x), rules);
    SequenceState state, before;
    std::vector<double> dx;
    const std::span<const float> xs(x);
    const int64_t cut = 4;
    CtxOptions o;
    o.compute = DType::kF64;
    o.record = true;
    Input head = features(xs.subspan(0, cut * Toy::kD)), tail = features(xs.subspan(cut * Toy::kD));
    head.states = {&before};
    tail.states = {&state};
    Ctx a(head, o);
    const Var ya = toy.forward(a);
    {
      SequenceState forward_state;
      Input again = head;
      again.states = {&forward_state};
      Ctx f(again, o);
      toy.forward(f);
      f.commit();
      state = forward_state;
    }
    Ctx b(tail, o);
    const Var yb = toy.forward(b);
    double* db = b.grad<double>(yb);
    for (int64_t i = 0; i < b.rows(yb) * Toy::kD; ++i) db[i] = std::sin(static_cast<double>(cut * Toy::kD + i));
    b.backward(rules);
    a.adjoint_in[0] = b.adjoint_out[0];
    double* da = a.grad<double>(ya);
    for (int64_t i = 0; i < cut * Toy::kD; ++i) da[i] = std::sin(static_cast<double>(i));
    a.backward(rules);
    dx.assign(a.grad<double>(0), a.grad<double>(0) + cut * Toy::kD);
    dx.insert(dx.end(), b.grad<double>(0), b.grad<double>(0) + b.rows(0) * Toy::kD);
    EXPECT_TRUE(agree(whole.dx, dx, tol::kF64Absolute));
  }
}

TEST(Ctx, PathsAddUpToTheExactAdjointOfAMixer) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(10, 6);
  CtxOptions o;
  o.compute = DType::kF64;
  o.record = true;
  Ctx c(features(x), o);
  toy.forward(c);
  const MixerScope m = c.mixers().back();
  const size_t n = static_cast<size_t>(c.rows(m.in) * c.cols(m.in));
  const auto adjoint = [&](MixerPath path) {
    c.clear_grads();
    double* dy = c.grad<double>(m.out);
    for (size_t i = 0; i < n; ++i) dy[i] = std::cos(static_cast<double>(i));
    AdjointRules rules;
    rules.path = path;
    c.backward(rules, m.first, m.last);
    return std::vector<double>(c.grad<double>(m.in), c.grad<double>(m.in) + n);
  };
  const std::vector<double> all = adjoint(MixerPath::kAll);
  std::vector<double> sum(n, 0);
  for (MixerPath p : {MixerPath::kValue, MixerPath::kWrite, MixerPath::kDecay, MixerPath::kRead, MixerPath::kGate}) {
    const std::vector<double> part = adjoint(p);
    double size = 0;
    for (size_t i = 0; i < n; ++i) {
      sum[i] += part[i];
      size += std::abs(part[i]);
    }
    EXPECT_GT(size, 1e-6) << mixer_path_name(p);
  }
  EXPECT_TRUE(agree(all, sum, tol::kF64Absolute));
}

// With every coefficient frozen the model is linear: value = <input, adjoint> + biases.
TEST(Ctx, FrozenRulesConserve) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(13, 8);
  CtxOptions o;
  o.compute = DType::kF64;
  o.record = true;
  Ctx c(features(x), o);
  const Var y = toy.forward(c);
  double target = 0;
  double* dy = c.grad<double>(y);
  for (int64_t i = 0; i < c.rows(y) * c.cols(y); ++i) {
    dy[i] = std::sin(static_cast<double>(i));
    target += dy[i] * c.data<double>(y)[i];
  }
  c.backward(frozen_rules());
  double sum = c.bias_share;
  for (size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * c.grad<double>(0)[i];
  EXPECT_TRUE(agree(sum, target, tol::kF64Sum));
  EXPECT_GT(std::abs(c.bias_share), 1e-3);
}

}  // namespace
}  // namespace hindscan
