// One mixer op under every promise of the tape: gradients, splits, packing, resets, paths, frozen rules, recomputation.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "base/testing/sensitivity.h"
#include "core/ops/mixer_case_test_support.h"

namespace hindscan::mixer_test {

// Fourth-order central difference with steps that floats hold.
template <class F, class X>
double slope_at(X& x, const F& loss) {
  const X keep = x;
  const double h = 0x1p-8;
  const auto at = [&](double step) {
    x = static_cast<X>(static_cast<double>(keep) + step);
    return loss();
  };
  const double base = static_cast<double>(keep);
  const double near = static_cast<double>(static_cast<X>(base + h)) - static_cast<double>(static_cast<X>(base - h));
  const double far =
      static_cast<double>(static_cast<X>(base + 2 * h)) - static_cast<double>(static_cast<X>(base - 2 * h));
  const double one = (at(h) - at(-h)) / near, two = (at(2 * h) - at(-2 * h)) / far;
  x = keep;
  return (4 * one - two) / 3;
}

// Every input and weight against finite differences. every: check only each so many.
inline void check_gradients(const MixerCase& c, int64_t T, const Tolerance& bar, size_t every = 1) {
  SCOPED_TRACE(c.name);
  Mixer m(c, DType::kF64);
  std::vector<float> x = m.features(T, 3);
  for (float& v : x) v = std::ldexp(std::round(std::ldexp(v, 14)), -14);  // steps are exact then
  const Result r = m.run(m.input(x), training_rules());
  const auto check = [&](auto* values, const std::vector<double>& gradient, const std::string& what) {
    std::vector<double> found, slopes;
    for (size_t i = 0; i < gradient.size(); i += every) {
      found.push_back(gradient[i]);
      slopes.push_back(slope_at(values[i], [&] { return m.loss(x); }));
    }
    EXPECT_TRUE(agree(found, slopes, bar)) << what;
  };
  check(x.data(), r.dx, "features");
  for (size_t k = 0; k < m.table.size(); ++k) check(static_cast<double*>(m.table[k].data), r.dw[k], m.table[k].name);
}

// One pass = chunks = steps = packed, resets start anew; forward and adjoint.
inline void check_splits(const MixerCase& c, DType dtype, const Tolerance& bar, const Tolerance& adjoint_bar) {
  SCOPED_TRACE(c.name);
  const Mixer m(c, dtype);
  const int64_t T = 13;
  const std::vector<float> x = m.features(T, 5);
  const std::span<const float> xs(x);
  const auto part = [&](int64_t a, int64_t b) {
    return xs.subspan(static_cast<size_t>(a * c.C), static_cast<size_t>((b - a) * c.C));
  };
  for (const AdjointRules& rules : {exact_rules(), frozen_rules()}) {
    const Result whole = m.run(m.input(x), rules);
    for (const std::vector<int64_t>& cuts :
         {std::vector<int64_t>{0, 4, 13}, {0, 1, 2, 9, 13}, {0, 5, 5, 13}, {0, 12, 13}}) {
      const Result chunks = m.run_chunks(x, {}, cuts, rules);
      EXPECT_TRUE(agree(chunks.y, whole.y, bar)) << "chunks forward";
      EXPECT_TRUE(agree(chunks.dx, whole.dx, adjoint_bar)) << "chunks adjoint";
    }
    EXPECT_TRUE(agree(m.run_steps(x, 1), whole.y, bar)) << "steps";
    EXPECT_TRUE(agree(m.run_steps(x, 3), whole.y, bar)) << "steps of three";
    Input packed = m.input(x);
    packed.cu_seqlens = {0, 3, 3, 4, T};
    const Result all = m.run(packed, rules);
    std::vector<double> y;
    for (auto [a, b] : {std::pair<int64_t, int64_t>{0, 3}, {3, 4}, {4, T}}) {
      const Result one = m.run(m.input(part(a, b)), exact_rules());
      y.insert(y.end(), one.y.begin(), one.y.end());
    }
    EXPECT_TRUE(agree(all.y, y, bar)) << "packed";
    std::vector<uint8_t> resets(static_cast<size_t>(T), 0);
    resets[0] = resets[3] = resets[4] = 1;
    Input reset = m.input(x);
    reset.resets = resets;
    const Result anew = m.run(reset, rules);
    EXPECT_TRUE(agree(anew.y, y, bar)) << "resets";
    EXPECT_TRUE(agree(anew.dx, all.dx, adjoint_bar)) << "resets adjoint";
    const Result cut = m.run_chunks(x, resets, {0, 2, 4, 6, 13}, rules);
    EXPECT_TRUE(agree(cut.y, y, bar)) << "resets in chunks";
    EXPECT_TRUE(agree(cut.dx, all.dx, adjoint_bar)) << "resets in chunks, adjoint";
    EXPECT_TRUE(m.run(m.input({}), rules).y.empty());
    EXPECT_TRUE(
        agree(m.run(m.input(part(0, 1)), rules).y, std::vector<double>{whole.y.begin(), whole.y.begin() + c.C}, bar))
        << "one token";
  }
}

// The five paths add up to the exact adjoint of the mixer's input; each but the named ones has a share.
inline void check_paths(const MixerCase& c, DType dtype, const Tolerance& bar) {
  SCOPED_TRACE(c.name);
  const Mixer m(c, dtype);
  const std::vector<float> x = m.features(10, 7);
  AdjointRules rules;
  const Result all = m.run(m.input(x), rules);
  std::vector<double> sum(all.dx.size(), 0), by_chunks(all.dx.size(), 0);
  for (int p = 1; p <= kMixerPaths; ++p) {
    rules.path = static_cast<MixerPath>(p);
    const Result one = m.run(m.input(x), rules);
    double size = 0;
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += one.dx[i];
      size += std::abs(one.dx[i]);
    }
    const bool empty = std::find(c.empty_paths.begin(), c.empty_paths.end(), rules.path) != c.empty_paths.end();
    if (empty)
      EXPECT_EQ(size, 0) << mixer_path_name(rules.path);
    else
      EXPECT_GT(size, 1e-6) << mixer_path_name(rules.path);
  }
  EXPECT_TRUE(agree(sum, all.dx, bar)) << "paths";
}

// Each pass run back once per path, as explain does, with one adjoint of the state for all: the shares still add up.
inline void check_paths_over_chunks(const MixerCase& c) {
  SCOPED_TRACE(c.name);
  const Mixer m(c, DType::kF64);
  const std::vector<float> x = m.features(9, 8);
  const std::vector<int64_t> cuts = {0, 4, 9};
  const Result whole = m.run(m.input(x), exact_rules());
  SequenceState before, state;
  Input head = m.input(std::span<const float>(x).first(static_cast<size_t>(4 * c.C)));
  head.states = {&state};
  {
    Ctx plain(head, m.options(false));
    m.forward(plain);
    plain.commit();
  }
  Input tail = m.input(std::span<const float>(x).subspan(static_cast<size_t>(4 * c.C)));
  tail.states = {&state};
  head.states = {&before};
  SequenceState carry;
  std::vector<double> dx(whole.dx.size(), 0);
  for (auto [in, first] : {std::pair<Input*, size_t>{&tail, 4}, {&head, 0}}) {
    Ctx ctx(*in, m.options(true));
    const Var y = m.forward(ctx);
    ctx.adjoint_in[0] = carry;
    for (int p = 1; p <= kMixerPaths; ++p) {
      AdjointRules rules;
      rules.path = static_cast<MixerPath>(p);
      ctx.clear_grads();
      m.seed(ctx, y, first * static_cast<size_t>(c.C));
      ctx.backward(rules);
      const std::vector<double> part = m.copy(ctx, 0, true);
      for (size_t i = 0; i < part.size(); ++i) dx[first * static_cast<size_t>(c.C) + i] += part[i];
    }
    carry = ctx.adjoint_out[0];
  }
  EXPECT_TRUE(agree(dx, whole.dx, tol::kF64Op.times(10))) << "paths over chunks";
}

// Frozen rules: alpha^T on the values by pulses (the op is linear in them), nothing on the coefficients.
inline void check_value_path(const MixerCase& c) {
  SCOPED_TRACE(c.name);
  const Mixer m(c, DType::kF64);
  std::vector<float> x = m.features(8, 9);
  const Result r = m.run(m.input(x), frozen_rules());
  const double base = m.loss(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t column = static_cast<int64_t>(i) % c.C - c.value_first;
    if (column < 0 || column >= c.value_count) {
      ASSERT_EQ(r.dx[i], 0) << i;
      continue;
    }
    const float keep = x[i];
    x[i] = keep + 1;
    const double pulse = (m.loss(x) - base) / (static_cast<double>(x[i]) - static_cast<double>(keep));
    ASSERT_TRUE(agree(r.dx[i], pulse, tol::kF64Absolute.times(10))) << i;
    x[i] = keep;
  }
}

inline void check_recompute(const MixerCase& c, DType dtype) {
  SCOPED_TRACE(c.name);
  const Mixer m(c, dtype);
  const std::vector<float> x = m.features(11, 10);
  Input in = m.input(x);
  in.cu_seqlens = {0, 6, 11};
  const Result plain = m.run(in, training_rules(), false), again = m.run(in, training_rules(), true);
  EXPECT_TRUE(agree(again.y, plain.y, tol::kEqual)) << "forward";
  EXPECT_TRUE(agree(again.dx, plain.dx, tol::kEqual)) << "adjoint";
  for (size_t k = 0; k < plain.dw.size(); ++k) EXPECT_TRUE(agree(again.dw[k], plain.dw[k], tol::kEqual)) << "weights";
}

inline void check_single_precision(const MixerCase& c, int64_t T) {
  SCOPED_TRACE(c.name);
  const Mixer fast(c, DType::kF32), exact(c, DType::kF64);
  const std::vector<float> x = fast.features(T, 12);
  for (const AdjointRules& rules : {training_rules(), frozen_rules()}) {
    const Result a = fast.run(fast.input(x), rules), b = exact.run(exact.input(x), rules);
    EXPECT_TRUE(agree(a.y, b.y, tol::kF32Forward));
    EXPECT_TRUE(agree(a.dx, b.dx, tol::kF32Backward));
    for (size_t k = 0; k < a.dw.size(); ++k)
      EXPECT_TRUE(agree(a.dw[k], b.dw[k], tol::kF32Backward)) << fast.table[k].name;
  }
  for (const Law law : {Law::kLognormal, Law::kCauchy}) {
    const auto in_double = [&](const Arrays& in) {
      const std::vector<float> near(in[0].begin(), in[0].end());
      const Result r = exact.run(exact.input(near), frozen_rules());
      return Arrays{r.y, r.dx};
    };
    const std::vector<float> heavy = fast.features(T, 13, law);
    const Arrays inputs = {{heavy.begin(), heavy.end()}}, want = in_double(inputs),
                 worth = sensitivity(inputs, in_double);
    const Result got = fast.run(fast.input(heavy), frozen_rules());
    EXPECT_TRUE(agree(got.y, want[0], worth[0], tol::kF32HeavyOp)) << law_name(law);
    EXPECT_TRUE(agree(got.dx, want[1], worth[1], tol::kF32HeavyOp)) << law_name(law);
  }
}

}  // namespace hindscan::mixer_test
