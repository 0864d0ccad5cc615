// RNN, GRU, LSTM and sLSTM: against their definitions, gradients, splits, paths, and the linear map of held gates.
#include "core/ops/nonlinear_recurrence.h"

#include "core/ops/embedding.h"
#include "core/ops/mixer_test_support.h"

namespace hindscan {
namespace {

using mixer_test::Mixer;
using mixer_test::MixerCase;
using Kind = Nonlinear::Kind;

struct Shape {
  Kind kind;
  int64_t gates, H, d;
  bool bias;
};

MixerCase make(const std::string& name, const Shape& p, double spread = 1) {
  MixerCase c;
  c.name = name;
  c.C = p.gates * p.H * p.d;
  c.out = p.H * p.d;
  c.draw = [=](int64_t, Rng& rng) { return spread * rng.normal(); };
  c.declare = [=](WeightTable& t) {
    t.add_matrix("weight_hh", {p.gates * p.H * p.d, p.d}, Init::normal(0.5));
    if (p.bias) t.add("bias_hh", {p.gates * p.H * p.d}, Init::normal(0.5));
  };
  c.op = [=](Ctx& ctx, Var x, const WeightTable& w) {
    return ops::nonlinear_recurrence(ctx, {p.kind, p.H, x, &w[0], p.bias ? &w[1] : nullptr});
  };
  c.empty_paths = {MixerPath::kGate};
  if (p.kind == Kind::kGru) c.empty_paths.push_back(MixerPath::kWrite);
  if (p.gates == 1) c.empty_paths = {MixerPath::kWrite, MixerPath::kDecay, MixerPath::kRead, MixerPath::kGate};
  return c;
}

std::vector<std::pair<Shape, MixerCase>> all_cases() {
  std::vector<std::pair<Shape, MixerCase>> out;
  const auto add = [&](const std::string& name, const Shape& p) { out.emplace_back(p, make(name, p)); };
  add("tanh", {Kind::kTanh, 1, 1, 5, true});
  add("relu", {Kind::kRelu, 1, 1, 5, true});
  add("gru", {Kind::kGru, 3, 1, 4, true});
  add("lstm", {Kind::kLstm, 4, 1, 4, true});
  add("lstm of two heads", {Kind::kLstm, 4, 2, 3, false});
  add("slstm", {Kind::kSlstm, 4, 2, 3, true});
  return out;
}

TEST(NonlinearRecurrence, GradientsAgreeWithFiniteDifferences) {
  for (const auto& [p, c] : all_cases()) mixer_test::check_gradients(c, 6, tol::kOpDifference);
}

TEST(NonlinearRecurrence, AnySplitGivesTheSame) {
  for (const auto& [p, c] : all_cases()) {
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op, tol::kF64Op.times(10));
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op, tol::kF32Op.times(10));
  }
}

TEST(NonlinearRecurrence, PathsAddUp) {
  for (const auto& [p, c] : all_cases()) {
    mixer_test::check_paths(c, DType::kF64, tol::kF64Op);
    mixer_test::check_paths_over_chunks(c);
  }
}

TEST(NonlinearRecurrence, RecomputationChangesNothing) {
  for (const auto& [p, c] : all_cases()) mixer_test::check_recompute(c, DType::kF32);
}

TEST(NonlinearRecurrence, SinglePrecisionFollowsDouble) {
  for (const auto& [p, c] : all_cases()) mixer_test::check_single_precision(c, 60);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The definitions, without a running maximum; held: gates, normaliser and tanh(z)/z come from the run that filled them.
class Definition {
 public:
  Definition(const Shape& p, const Weight& R, const Weight* bias)
      : p_(p), R_(R.as<double>()), b_(bias == nullptr ? nullptr : bias->as<double>()) {}
  std::vector<double> run(const std::vector<double>& x, bool held) {
    const int64_t n = p_.H * p_.d, T = static_cast<int64_t>(x.size()) / (p_.gates * n);
    at_ = 0;
    held_ = held;
    std::vector<double> h(static_cast<size_t>(n), 0), c = h, norm = h, y;
    for (int64_t t = 0; t < T; ++t) {
      const std::vector<double> before = h;
      for (int64_t i = 0; i < n; ++i) {
        const size_t k = static_cast<size_t>(i);
        const auto hidden = [&](int64_t g) {
          const int64_t row = g * n + i;
          double sum = b_ == nullptr ? 0 : b_[row];
          for (int64_t j = 0; j < p_.d; ++j)
            sum += R_[row * p_.d + j] * before[static_cast<size_t>(i / p_.d * p_.d + j)];
          return sum;
        };
        const auto in = [&](int64_t g) { return x[static_cast<size_t>((t * p_.gates + g) * n + i)]; };
        const auto pre = [&](int64_t g) { return in(g) + hidden(g); };
        switch (p_.kind) {
          case Kind::kTanh:
            h[k] = shaped(pre(0), std::tanh(pre(0)));
            break;
          case Kind::kRelu:
            h[k] = shaped(pre(0), std::max(pre(0), 0.0));
            break;
          case Kind::kGru: {
            const double r = hold(sigmoid(pre(0))), z = hold(sigmoid(pre(1))), a = in(2) + r * hidden(2);
            h[k] = (1 - z) * shaped(a, std::tanh(a)) + z * before[k];
            break;
          }
          case Kind::kLstm: {
            const double i_gate = hold(sigmoid(pre(0))), f = hold(sigmoid(pre(1))), o = hold(sigmoid(pre(3)));
            c[k] = f * c[k] + i_gate * shaped(pre(2), std::tanh(pre(2)));
            h[k] = o * shaped(c[k], std::tanh(c[k]));
            break;
          }
          case Kind::kSlstm: {
            const double i_gate = hold(std::exp(pre(0))), f = hold(sigmoid(pre(1))), o = hold(sigmoid(pre(3)));
            c[k] = f * c[k] + i_gate * shaped(pre(2), std::tanh(pre(2)));
            norm[k] = f * norm[k] + i_gate;
            h[k] = o * c[k] / hold(norm[k]);
            break;
          }
        }
      }
      y.insert(y.end(), h.begin(), h.end());
    }
    return y;
  }

 private:
  double hold(double value) {
    if (!held_) kept_.push_back(value);
    return held_ ? kept_[at_++] : value;
  }
  double shaped(double x, double y) { return held_ ? hold(0) * x : (hold(y / x), y); }
  Shape p_;
  const double *R_, *b_;
  std::vector<double> kept_;
  size_t at_ = 0;
  bool held_ = false;
};

TEST(NonlinearRecurrence, FollowsTheDefinitionAndItsHeldGates) {
  for (const auto& [p, c] : all_cases()) {
    SCOPED_TRACE(c.name);
    const Mixer m(c, DType::kF64);
    const std::vector<float> x = m.features(7, 6);
    Definition definition(p, m.table[0], p.bias ? &m.table[1] : nullptr);
    std::vector<double> wide(x.begin(), x.end());
    const std::vector<double> y = definition.run(wide, false);
    Ctx ctx(m.input(x), m.options(true));
    const Var in = ops::embedding(ctx, m.table[m.table.size() - 1]), out = c.op(ctx, in, m.table);
    EXPECT_TRUE(agree(m.copy(ctx, out, false), y, tol::kF64Op.times(0.1))) << "forward";
    m.seed(ctx, out, 0);
    ctx.backward(frozen_rules());
    double sum = ctx.bias_share, target = 0;
    for (size_t i = 0; i < y.size(); ++i) target += y[i] * Mixer::seed_of(i);
    for (size_t i = 0; i < wide.size(); ++i) {
      const double keep = wide[i], frozen = m.copy(ctx, in, true)[i];
      sum += keep * frozen;
      wide[i] = keep + 1;
      const std::vector<double> pulse = definition.run(wide, true);
      wide[i] = keep;
      double slope = 0;
      for (size_t k = 0; k < y.size(); ++k) slope += (pulse[k] - y[k]) * Mixer::seed_of(k);
      ASSERT_TRUE(agree(frozen, slope, tol::kF64Absolute.times(10))) << i;
    }
    EXPECT_TRUE(agree(sum, target, tol::kF64Absolute.times(10)));
  }
}

// The stabiliser of sLSTM: exponential gates far from zero.
TEST(NonlinearRecurrence, SlstmIsFiniteFarFromZero) {
  const MixerCase c = make("slstm", {Kind::kSlstm, 4, 1, 3, true}, 60);
  const Mixer m(c, DType::kF32), exact(c, DType::kF64);
  const std::vector<float> x = m.features(30, 9);
  const mixer_test::Result a = m.run(m.input(x), training_rules()), b = exact.run(exact.input(x), training_rules());
  EXPECT_TRUE(agree(a.y, b.y, tol::kF32Op.times(10))) << "forward";
  for (double d : a.dx) ASSERT_TRUE(std::isfinite(d));
}

// A 16-bit table is widened to the same numbers.
TEST(NonlinearRecurrence, ReadsSixteenBitWeights) {
  WeightTable wide, narrow;
  for (WeightTable* t : {&wide, &narrow}) t->add_matrix("weight_hh", {12, 4}, Init::normal(0.5));
  narrow.allocate(DType::kBF16);
  wide.allocate(DType::kF32);
  float* values = static_cast<float*>(wide[0].data);
  for (int64_t i = 0; i < wide[0].size(); ++i) values[i] = static_cast<float>(i % 7) / 8 - 0.25f;
  narrow.copy_from(wide);
  const MixerCase c = make("gru", {Kind::kGru, 3, 1, 4, false});
  const Mixer m(c, DType::kF32);
  const std::vector<float> x = m.features(5, 3);
  std::vector<std::vector<double>> y;
  for (const WeightTable* t : {&wide, &narrow}) {
    Ctx ctx(m.input(x), m.options(false));
    y.push_back(m.copy(ctx, c.op(ctx, ops::embedding(ctx, m.table[1 + 1]), *t), false));
  }
  EXPECT_TRUE(agree(y[1], y[0], tol::kEqual)) << "bf16";
}

}  // namespace
}  // namespace hindscan
