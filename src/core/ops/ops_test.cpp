// Every op of Ctx that needs no kernel of its own, by one table: exact gradients against differences, completeness
// under frozen rules, f32 against f64, passes in turn, packed sequences and resets.
#include "core/ops/ops_test_cases.h"

namespace hindscan {
namespace {

class Ops : public testing::TestWithParam<OpCase> {
 protected:
  static constexpr int64_t kT = 7;
  std::vector<float> x_ = grid_features(kT, GetParam().channels, 5);
};

TEST_P(Ops, GradientsAreThoseOfDifferences) {
  const OpCase& c = GetParam();
  WeightTable w = op_weights(c, DType::kF64);
  const OpRun op{c, w, op_input(c, x_)};
  const OpPass pass = op.run<double>();
  constexpr double h = 1.0 / 1024;
  double scale = 0;
  for (double g : pass.dx) scale = std::max(scale, std::abs(g));
  for (const auto& dw : pass.dw) {
    for (double g : dw) scale = std::max(scale, std::abs(g));
  }
  const auto expect_slope = [&](auto& at, double slope, const std::string& what) {
    const auto kept = at;
    const auto shifted = [&](double step) {
      at = static_cast<std::remove_reference_t<decltype(at)>>(static_cast<double>(kept) + step);
      return op.loss();
    };
    const double numeric = (8 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12 * h);
    at = kept;
    EXPECT_NEAR(slope, numeric, 1e-7 * (scale + 1e-3)) << what;
  };
  for (size_t i = 0; i < x_.size(); ++i) expect_slope(x_[i], pass.dx[i], fmt::format("x {}", i));
  for (size_t k = 0; k < w.size(); ++k) {
    double* values = static_cast<double*>(w[k].data);
    for (size_t i = 0; i < pass.dw[k].size(); ++i)
      expect_slope(values[i], pass.dw[k][i], fmt::format("{} {}", w[k].name, i));
  }
}

TEST_P(Ops, FrozenRulesAreComplete) {
  const OpCase& c = GetParam();
  const WeightTable w = op_weights(c, DType::kF64);
  OpRun op{c, w, op_input(c, x_)};
  op.rules = frozen_rules();
  const OpPass pass = op.run<double>();
  if (c.affine) {
    EXPECT_NEAR(pass.signal + pass.bias_share, pass.output, 1e-12 * (1 + std::abs(pass.output)));
  } else {
    for (double g : pass.dx) EXPECT_EQ(g, 0) << "a coefficient";
  }
}

TEST_P(Ops, FloatAgreesWithDouble) {
  const OpCase& c = GetParam();
  const std::vector<float> x = c.by_token ? grid_features(67, c.channels, 9) : x_;
  const WeightTable narrow = op_weights(c, DType::kF32);
  WeightTable wide = op_weights(c, DType::kF64);
  wide.copy_from(narrow);
  const OpPass a = OpRun{c, narrow, op_input(c, x)}.run<float>(), b = OpRun{c, wide, op_input(c, x)}.run<double>();
  EXPECT_LT(rms_ratio(a.y, b.y), 1e-6);
  EXPECT_LT(rms_ratio(a.dx, b.dx), 1e-5);
  for (size_t k = 0; k < a.dw.size(); ++k) EXPECT_LT(rms_ratio(a.dw[k], b.dw[k]), 1e-5) << k;
}

TEST_P(Ops, PassesInTurnEqualOne) {
  const OpCase& c = GetParam();
  if (!c.by_token) return;
  const WeightTable w = op_weights(c, DType::kF64);
  const OpPass whole = OpRun{c, w, op_input(c, x_)}.run<double>();
  for (int64_t cut : {int64_t{0}, int64_t{1}, int64_t{4}, kT}) {
    SequenceState state, none;
    OpRun first{c, w, op_input(c, std::span<const float>(x_).subspan(0, static_cast<size_t>(cut * c.channels)))};
    OpRun second{c, w, op_input(c, std::span<const float>(x_).subspan(static_cast<size_t>(cut * c.channels)))};
    first.input.states = second.input.states = {&state};
    second.first_row = cut;
    OpPass a = first.run<double>();
    std::vector<SequenceState> between;
    const OpPass b = second.run<double>(nullptr, &between);
    state = {};
    a = first.run<double>(&between);
    std::vector<double> y = a.y, dx = a.dx;
    append(y, b.y);
    append(dx, b.dx);
    ASSERT_EQ(y.size(), whole.y.size());
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], whole.y[i], 1e-12) << "cut " << cut;
    for (size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], whole.dx[i], 1e-12) << "cut " << cut;
  }
}

// As decoding runs: one token at a time, states advance where they lie.
TEST_P(Ops, TokensInPlaceEqualOnePass) {
  const OpCase& c = GetParam();
  if (!c.by_token) return;
  const WeightTable w = op_weights(c, DType::kF32);
  const OpPass whole = OpRun{c, w, op_input(c, x_)}.run<float>();
  SequenceState state;
  CtxOptions o;
  o.in_place = true;
  std::vector<double> y;
  for (int64_t t = 0; t < kT; ++t) {
    Input in = op_input(
        c, std::span<const float>(x_).subspan(static_cast<size_t>(t * c.channels), static_cast<size_t>(c.channels)));
    in.states = {&state};
    Ctx ctx(in, o);
    const Var out = c.op(ctx, w, ctx.features());
    y.insert(y.end(), ctx.data<float>(out), ctx.data<float>(out) + ctx.cols(out));
    ctx.commit();
  }
  ASSERT_EQ(y.size(), whole.y.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], whole.y[i], 3e-6 * (1 + std::abs(whole.y[i]))) << i;
}

TEST_P(Ops, PackedSequencesAndResetsEqualSeparateOnes) {
  const OpCase& c = GetParam();
  if (!c.by_token) return;
  const WeightTable w = op_weights(c, DType::kF64);
  const std::vector<uint8_t> resets = {0, 0, 0, 0, 0, 1, 0};
  OpRun packed{c, w, op_input(c, x_)};
  packed.input.cu_seqlens = {0, 3, 3, 7};
  packed.input.resets = resets;
  const OpPass all = packed.run<double>();
  std::vector<double> y, dx;
  for (auto [begin, end] : {std::pair<int64_t, int64_t>{0, 3}, {3, 5}, {5, 7}}) {
    OpRun part{c, w,
               op_input(c, std::span<const float>(x_).subspan(static_cast<size_t>(begin * c.channels),
                                                              static_cast<size_t>((end - begin) * c.channels)))};
    part.first_row = begin;
    const OpPass p = part.run<double>();
    append(y, p.y);
    append(dx, p.dx);
  }
  ASSERT_EQ(y.size(), all.y.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], all.y[i], 1e-12) << i;
  for (size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], all.dx[i], 1e-12) << i;
}

INSTANTIATE_TEST_SUITE_P(Table, Ops, testing::ValuesIn(all_cases()), [](const auto& one) {
  std::string name;
  for (char ch : one.param.name) name += std::isalnum(static_cast<unsigned char>(ch)) != 0 ? ch : '_';
  return name + "_" + std::to_string(one.index);
});

}  // namespace
}  // namespace hindscan
