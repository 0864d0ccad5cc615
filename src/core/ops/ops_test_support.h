// One op under test: a function of features and weights, run in either precision, over packed sequences or passes in
// turn.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"
#include "core/context.h"
#include "core/ops/embedding.h"

namespace hindscan {

struct OpCase {
  std::string name;
  int64_t channels;                                      // of the features
  std::function<void(WeightTable&)> declare;             // may be empty
  std::function<Var(Ctx&, const WeightTable&, Var)> op;  // reads features [T, channels]
  bool affine = true;                                    // in the signal: frozen rules are complete
  bool by_token = true;       // rows follow the tokens: passes in turn, packed and separate sequences agree
  float ceiling = HUGE_VALF;  // features above are outside the domain, or overflow a float
};

// Multiples of 1/1024, so that steps of 1/1024 are exact in float.
inline std::vector<float> grid_features(int64_t T, int64_t channels, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> x(static_cast<size_t>(T * channels));
  for (float& v : x) v = static_cast<float>(std::round(rng.normal() * 1024) / 1024);
  return x;
}

inline WeightTable op_weights(const OpCase& c, DType dtype) {
  WeightTable table;
  if (c.declare) c.declare(table);
  table.allocate(dtype);
  table.initialise(11);
  return table;
}

struct OpPass {
  std::vector<double> y, dx;
  std::vector<std::vector<double>> dw;
  double bias_share = 0, signal = 0, output = 0;  // <dx, x>, <dy, y>
};

// Seed of output i: smooth, no two alike.
inline double op_seed(int64_t row, int64_t column) {
  return std::sin(0.7 * static_cast<double>(row) + 1.3 * static_cast<double>(column) + 0.4);
}

// Storage of the passes, kept between them.
inline Arena& test_arena(int which) {
  static Arena arenas[2];
  return arenas[which];
}

struct OpRun {
  const OpCase& c;
  const WeightTable& weights;
  Input input;
  AdjointRules rules = training_rules();
  int64_t first_row = 0;  // of the whole sequence, for the seeds

  template <class R>
  OpPass run(std::vector<SequenceState>* adjoint_in = nullptr,
             std::vector<SequenceState>* adjoint_out = nullptr) const {
    GradTable grads(weights, std::is_same_v<R, double> ? DType::kF64 : DType::kF32);
    CtxOptions o;
    o.record = true;
    o.compute = std::is_same_v<R, double> ? DType::kF64 : DType::kF32;
    o.grads = &grads;
    o.arena = &test_arena(0);
    o.scratch = &test_arena(1);
    Ctx ctx(input, o);
    const Var x = ops::features(ctx), y = c.op(ctx, weights, x);
    OpPass out;
    const int64_t T = ctx.rows(y), C = ctx.cols(y);
    const R* values = ctx.data<R>(y);
    out.y.assign(values, values + T * C);
    R* dy = ctx.grad<R>(y);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t k = 0; k < C; ++k) {
        dy[t * C + k] = static_cast<R>(op_seed(first_row + t, k));
        out.output += op_seed(first_row + t, k) * static_cast<double>(values[t * C + k]);
      }
    }
    if (adjoint_in != nullptr) ctx.adjoint_in = *adjoint_in;
    ctx.backward(rules);
    const R* dx = ctx.grad<R>(x);
    out.dx.assign(dx, dx + ctx.rows(x) * ctx.cols(x));
    for (size_t i = 0; i < out.dx.size(); ++i) out.signal += out.dx[i] * static_cast<double>(ctx.data<R>(x)[i]);
    for (size_t i = 0; i < weights.size(); ++i) {
      const R* g = grads.of<R>(weights[i]);
      out.dw.emplace_back(g, g + weights[i].size());
    }
    out.bias_share = ctx.bias_share;
    if (adjoint_out != nullptr) *adjoint_out = ctx.adjoint_out;
    ctx.commit();
    return out;
  }

  // Forward alone: sum of seed times output.
  double loss() const {
    CtxOptions o;
    o.compute = DType::kF64;
    o.arena = &test_arena(0);
    o.scratch = &test_arena(1);
    Ctx ctx(input, o);
    const Var y = c.op(ctx, weights, ops::features(ctx));
    double sum = 0;
    for (int64_t t = 0; t < ctx.rows(y); ++t) {
      for (int64_t k = 0; k < ctx.cols(y); ++k)
        sum += op_seed(first_row + t, k) * ctx.data<double>(y)[t * ctx.cols(y) + k];
    }
    return sum;
  }
};

inline Input op_input(const OpCase& c, std::span<const float> x) {
  Input in;
  in.features = x;
  in.feature_dim = c.channels;
  return in;
}

inline void append(std::vector<double>& to, const std::vector<double>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace hindscan
