// A small mixer stack for the tests of the tape.
#pragma once
#include <cmath>

#include "base/rng.h"
#include "core/context.h"
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

inline std::vector<float> random_features(int64_t T, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(static_cast<size_t>(T * Toy::kD));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

struct Pass {
  std::vector<double> y;
  std::vector<double> dx;
};

inline Input features(std::span<const float> x) {
  Input in;
  in.features = x;
  in.feature_dim = Toy::kD;
  return in;
}

// Output, and the adjoint of the input for seeds sin(i).
inline Pass run(const Toy& toy, const Input& in, AdjointRules rules, bool recompute = false,
                GradTable* grads = nullptr) {
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

}  // namespace hindscan
