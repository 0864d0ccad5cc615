// Gates under the half rule: two signals that multiply get half of the relevance each, a coefficient gets none. The
// kind of a gate is read from what made it.
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/ops_test_cases.h"
#include "core/ops/scale.h"

namespace hindscan {
namespace {

using kernels::Act;

constexpr int64_t kT = 5, kC = 3;

// Features [T, 2 kC]: a signal, then what the gate is made of.
using Made = std::function<Var(Ctx&, const WeightTable&, Var)>;

OpCase gated(const Made& gate, int64_t width = kC, std::function<void(WeightTable&)> declare = {}) {
  return {"gated", kC + width, std::move(declare), [=](Ctx& c, const WeightTable& w, Var x) {
            return ops::gate(c, ops::split(c, x, 0, kC), gate(c, w, ops::split(c, x, kC, width)));
          }};
}

struct Relevance {
  std::vector<double> signal, gate, of_output;  // [T]
};

Relevance relevance(const OpCase& c, const AdjointRules& rules, const std::vector<float>& x) {
  const WeightTable w = op_weights(c, DType::kF64);
  OpRun run{c, w, op_input(c, x)};
  run.rules = rules;
  const OpPass pass = run.run<double>();
  Relevance out;
  for (int64_t t = 0; t < kT; ++t) {
    const auto sum = [&](int64_t first, int64_t end) {
      double r = 0;
      for (int64_t i = t * c.channels + first; i < t * c.channels + end; ++i)
        r += static_cast<double>(x[static_cast<size_t>(i)]) * pass.dx[static_cast<size_t>(i)];
      return r;
    };
    out.signal.push_back(sum(0, kC));
    out.gate.push_back(sum(kC, c.channels));
    double y = 0;
    for (int64_t k = 0; k < kC; ++k) y += pass.y[static_cast<size_t>(t * kC + k)] * op_seed(t, k);
    out.of_output.push_back(y);
  }
  return out;
}

std::vector<double> times(double factor, std::vector<double> x) {
  for (double& v : x) v *= factor;
  return x;
}

std::vector<float> gate_features(int64_t width) { return grid_features(kT, kC + width, 6); }

TEST(GateRules, TwoSignalsGetHalfEach) {
  const auto of = [](Act act) {
    return [act](Ctx& c, const WeightTable&, Var z) { return ops::activation(c, act, z); };
  };
  const auto square = weights({{kC, kC}});
  const std::vector<std::pair<const char*, OpCase>> cases = {
      {"silu", gated(of(Act::kSilu))},
      {"gelu", gated(of(Act::kGelu))},
      {"gelu by tanh", gated(of(Act::kGeluTanh))},
      {"relu squared", gated(of(Act::kRelu2))},
      {"relu", gated(of(Act::kRelu))},
      {"tanh", gated(of(Act::kTanh))},
      {"no activation", gated(of(Act::kIdentity))},
      {"plain product", gated([](Ctx&, const WeightTable&, Var z) { return z; })},
      {"product with a projection",
       gated([](Ctx& c, const WeightTable& w, Var z) { return ops::linear(c, w[0], nullptr, z); }, kC, square)},
      {"silu of a norm", gated([](Ctx& c, const WeightTable&, Var z) {
         return ops::activation(c, Act::kSilu, ops::rmsnorm(c, nullptr, z, 1e-5));
       })},
      {"a signal and a coefficient added", gated([](Ctx& c, const WeightTable&, Var z) {
         const std::vector<double> zero(kC, 0.0);
         return ops::add(c, ops::activation(c, Act::kSilu, z), ops::decay_constant(c, zero));
       })},
      {"one signal per head", gated([](Ctx&, const WeightTable&, Var z) { return z; }, 1)},
  };
  for (const auto& [name, c] : cases) {
    const std::vector<float> x = gate_features(c.channels - kC);
    const Relevance half = relevance(c, half_rules(), x), frozen = relevance(c, frozen_rules(), x);
    EXPECT_GT(largest(half.of_output), 0.1) << name;
    EXPECT_TRUE(agree(half.signal, times(0.5, half.of_output), tol::kF64Absolute)) << name;
    EXPECT_TRUE(agree(half.gate, times(0.5, half.of_output), tol::kF64Absolute)) << name;
    EXPECT_TRUE(agree(frozen.signal, half.of_output, tol::kF64Absolute)) << name;
    EXPECT_EQ(largest(frozen.gate), 0) << name;
  }
}

TEST(GateRules, ACoefficientGetsNothingAndTheSignalAll) {
  const auto of = [](Act act) {
    return [act](Ctx& c, const WeightTable&, Var z) { return ops::activation(c, act, z); };
  };
  const auto map = [](DecayMap m) {
    return [m](Ctx& c, const WeightTable&, Var z) { return ops::decay_map(c, m, z, nullptr); };
  };
  const auto square = weights({{kC, kC}});
  const std::vector<std::pair<const char*, OpCase>> cases = {
      {"sigmoid", gated(of(Act::kSigmoid))},
      {"softplus", gated(of(Act::kSoftplus))},
      {"exp", gated(map(DecayMap::kExp))},
      {"sigmoid as a coefficient", gated(map(DecayMap::kSigmoid))},
      {"a step",
       gated([](Ctx& c, const WeightTable& w, Var z) { return ops::decay(c, z, w[0]); }, kC, weights({{kC}}))},
      {"a projection of sigmoids (RWKV-7)",
       gated([](Ctx& c, const WeightTable& w,
                Var z) { return ops::linear_in(c, w[0], ops::activation(c, Act::kSigmoid, z)); },
             kC, square)},
      {"tanh in [0, 1]", gated([](Ctx& c, const WeightTable&, Var z) {
         const std::vector<double> half(kC, 0.5);
         return ops::add(c, ops::scale(c, 0.5, ops::decay_map(c, DecayMap::kTanh, z, nullptr)),
                         ops::decay_constant(c, half));
       })},
      {"parts of sigmoids", gated([](Ctx& c, const WeightTable&, Var z) {
         const Var s = ops::activation(c, Act::kSigmoid, z),
                   parts[] = {ops::split(c, s, 2, 1), ops::scale(c, 2, ops::split(c, s, 0, 2))};
         return ops::concat(c, parts);
       })},
      {"one sigmoid per head", gated(of(Act::kSigmoid), 1)},
      {"a product of heads",
       gated([](Ctx& c, const WeightTable&, Var z) { return ops::head_dot(c, z, z, nullptr, 1); })},
  };
  for (const auto& [name, c] : cases) {
    const std::vector<float> x = gate_features(c.channels - kC);
    const Relevance half = relevance(c, half_rules(), x), exact = relevance(c, exact_rules(), x);
    EXPECT_GT(largest(half.of_output), 0.1) << name;
    EXPECT_TRUE(agree(half.signal, half.of_output, tol::kF64Absolute)) << name;
    EXPECT_EQ(largest(half.gate), 0) << name;
    EXPECT_GT(largest(exact.gate), 1e-3) << name;
  }
}

// The halves of the two sides are two paths of a mixer, and add up to both.
TEST(GateRules, PathsOfTheHalfRuleAddUp) {
  const OpCase c = gated([](Ctx& ctx, const WeightTable&, Var z) { return ops::activation(ctx, Act::kSilu, z); });
  const std::vector<float> x = gate_features(kC);
  const Relevance all = relevance(c, half_rules(), x);
  AdjointRules rules = half_rules();
  rules.path = MixerPath::kGate;
  const Relevance gate = relevance(c, rules, x);
  rules.path = MixerPath::kRead;
  const Relevance read = relevance(c, rules, x);
  EXPECT_EQ(largest(gate.signal), 0);
  EXPECT_EQ(largest(read.gate), 0);
  EXPECT_TRUE(agree(gate.gate, all.gate, tol::kF64Ulp));
  EXPECT_TRUE(agree(read.signal, all.signal, tol::kF64Ulp));
}

}  // namespace
}  // namespace hindscan
