// The tape itself, on a small mixer stack in f64: packing, resets, carried state and its adjoint, rules and paths.
#include "core/context.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/skip.h"
#include "core/ops/token_mix.h"

namespace hindscan {
namespace {

// Two residual blocks of conv -> silu -> glr -> skip -> gate over feature vectors.
struct Toy {
  static constexpr int64_t kD = 6, kE = 10, kN = 3, kK = 4;
  WeightTable table;
  struct Layer {
    Weight *norm, *in, *conv, *conv_bias, *bc, *dt, *dt_bias, *A_log, *D, *out, *out_bias;
  };
  std::vector<Layer> layers;
  Weight* head;

  explicit Toy(DType dtype) {
    for (int l = 0; l < 2; ++l) {
      const std::string p = fmt::format("{}.", l);
      Layer w;
      w.norm = &table.add(p + "norm", {kD}, Init::normal(1));
      w.in = &table.add_matrix(p + "in", {2 * kE, kD}, Init::normal(0.5));
      w.conv = &table.add(p + "conv", {kE, 1, kK}, Init::normal(0.5));
      w.conv_bias = &table.add(p + "conv_bias", {kE}, Init::normal(0.5));
      w.bc = &table.add_matrix(p + "bc", {2 * kN, kE}, Init::normal(0.5));
      w.dt = &table.add_matrix(p + "dt", {kE, kE}, Init::normal(0.3));
      w.dt_bias = &table.add(p + "dt_bias", {kE}, Init::normal(0.5));
      w.A_log = &table.add(p + "A_log", {kE, kN}, Init::normal(0.5));
      w.D = &table.add(p + "D", {kE}, Init::normal(1));
      w.out = &table.add_matrix(p + "out", {kD, kE}, Init::normal(0.5));
      w.out_bias = &table.add(p + "out_bias", {kD}, Init::normal(0.5));
      layers.push_back(w);
    }
    head = &table.add_matrix("head", {11, kD}, Init::normal(0.5));
    table.allocate(dtype);
    table.initialise(7);
  }

  Var mix(Ctx& c, const Layer& w, Var u) const {
    const Var x =
        ops::activation(c, kernels::Act::kSilu,
                        ops::causal_conv1d(c, *w.conv, w.conv_bias, ops::linear_rows(c, *w.in, nullptr, u, 0, kE)));
    const Var z = ops::linear_rows(c, *w.in, nullptr, u, kE, kE);
    const Var p = ops::linear(c, *w.bc, nullptr, x);
    const Var dt = ops::decay(c, ops::linear(c, *w.dt, nullptr, x), *w.dt_bias);
    const Var y = ops::glr(c, {ops::split(c, p, kN, kN), c.tap("k", ops::split(c, p, 0, kN)), x, dt, w.A_log});
    return ops::linear(c, *w.out, w.out_bias,
                       ops::gate(c, ops::skip(c, *w.D, y, x), ops::activation(c, kernels::Act::kSilu, z)));
  }
  Var forward(Ctx& c) const {
    Var h = ops::embedding(c, *head);  // features pass through
    for (size_t l = 0; l < layers.size(); ++l) {
      h = c.block(static_cast<int>(l), h, [&, l](Ctx& b, Var x) {
        return ops::add(b, x, b.mixer(ops::rmsnorm(b, layers[l].norm, x, 1e-5), [&, l](Ctx& m, Var u) {
          return mix(m, layers[l], u);
        }));
      });
    }
    return h;
  }
};

std::vector<float> random_features(int64_t T, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(static_cast<size_t>(T * Toy::kD));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

struct Pass {
  std::vector<double> y;
  std::vector<double> dx;
};

Input features(std::span<const float> x) {
  Input in;
  in.features = x;
  in.feature_dim = Toy::kD;
  return in;
}

// Output, and the adjoint of the input for seeds sin(i).
Pass run(const Toy& toy, const Input& in, AdjointRules rules, bool recompute = false, GradTable* grads = nullptr) {
  CtxOptions o;
  o.record = true;
  o.recompute = recompute;
  o.compute = DType::kF64;
  o.grads = grads;
  Ctx c(in, o);
  const Var y = toy.forward(c);
  const size_t n = static_cast<size_t>(c.rows(y) * c.cols(y));
  Pass out;
  out.y.assign(c.data<double>(y), c.data<double>(y) + n);
  double* dy = c.grad<double>(y);
  for (size_t i = 0; i < n; ++i) dy[i] = std::sin(static_cast<double>(i));
  c.backward(rules);
  out.dx.assign(c.grad<double>(0), c.grad<double>(0) + n);
  return out;
}

TEST(Ctx, PackedSequencesEqualSeparateOnes) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(12, 1);
  Input packed = features(x);
  packed.cu_seqlens = {0, 3, 3, 12};
  const Pass all = run(toy, packed, exact_rules());
  const std::span<const float> xs(x);
  const Pass first = run(toy, features(xs.subspan(0, 3 * Toy::kD)), exact_rules());
  const Pass rest = run(toy, features(xs.subspan(3 * Toy::kD)), exact_rules());
  std::vector<double> y = first.y;
  y.insert(y.end(), rest.y.begin(), rest.y.end());
  EXPECT_TRUE(agree(all.y, y, tol::kF64Absolute));
}

TEST(Ctx, ResetInsideASequenceStartsAnew) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(9, 2);
  std::vector<uint8_t> resets(9, 0);
  resets[4] = 1;
  Input in = features(x);
  in.resets = resets;
  const Pass whole = run(toy, in, exact_rules());
  const Pass tail = run(toy, features(std::span<const float>(x).subspan(4 * Toy::kD)), exact_rules());
  EXPECT_TRUE(agree(std::vector<double>(whole.y.begin() + 4 * Toy::kD, whole.y.end()), tail.y, tol::kF64Absolute));
}

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

// The same arrays by the same numbers, whatever went before; another model's passes are refused.
TEST(Ctx, NamesOfCarriedArraysAreMadeOnce) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(12, 5);
  SlotNames names;
  SequenceState kept, fresh;
  CtxOptions o;
  o.compute = DType::kF64;
  for (int64_t t = 0; t < 12; t += 4) {
    Input in = features(std::span(x).subspan(static_cast<size_t>(t * Toy::kD), 4 * Toy::kD));
    for (SequenceState* state : {&kept, &fresh}) {
      o.in_place = state == &kept;
      o.names = state == &kept ? &names : nullptr;
      in.states = {state};
      Ctx c(in, o);
      toy.forward(c);
      c.commit();
    }
    EXPECT_EQ(names.size(), 4);
  }
  EXPECT_EQ(names[0], "blocks.0.mixer.conv");
  EXPECT_EQ(names[3], "blocks.1.mixer.glr");
  ASSERT_EQ(kept.slots().size(), 4u);
  for (const auto& [name, slot] : fresh.slots()) EXPECT_EQ(kept.slots().at(name).bytes, slot.bytes) << name;
  o.names = &names;
  Input in = features(x);
  Ctx other(in, o);
  EXPECT_THROW(ops::token_shift(other, ops::embedding(other, *toy.head)), Error);
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

TEST(Ctx, TapsReadAndEdit) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(6, 9);
  const Pass plain = run(toy, features(x), exact_rules());
  std::vector<std::string> names;
  CtxOptions o;
  o.compute = DType::kF64;
  o.tap = [&](const TapView& v) {
    names.emplace_back(v.name);
    if (!v.name.ends_with(".k")) return;
    double* k = static_cast<double*>(v.data);
    for (int64_t n = 0; n < v.C; ++n) k[3 * v.C + n] = 0;  // drop the write of token 3
  };
  Ctx c(features(x), o);
  const Var y = toy.forward(c);
  EXPECT_EQ(names, (std::vector<std::string>{"embedding", "blocks.0.mixer.k", "blocks.0.mixer.out", "blocks.1.mixer.k",
                                             "blocks.1.mixer.out"}));
  for (int64_t i = 0; i < 3 * Toy::kD; ++i) EXPECT_EQ(c.data<double>(y)[i], plain.y[static_cast<size_t>(i)]);
  EXPECT_NE(c.data<double>(y)[3 * Toy::kD], plain.y[3 * Toy::kD]);
}

TEST(Ctx, RefusesWhatDoesNotFit) {
  const Toy toy(DType::kF64);
  const std::vector<float> x = random_features(3, 10);
  Input in = features(x);
  in.cu_seqlens = {0, 5};
  EXPECT_THROW(Ctx(in, {}), Error);
  const std::vector<int32_t> tokens = {1, 11};
  Input ids;
  ids.tokens = tokens;
  CtxOptions o;
  o.compute = DType::kF64;
  Ctx c(ids, o);
  EXPECT_THROW(ops::embedding(c, *toy.head), Error);
}

}  // namespace
}  // namespace hindscan
