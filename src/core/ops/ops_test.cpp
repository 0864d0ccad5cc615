// Every op of Ctx that needs no kernel of its own, by one table: exact gradients against differences, completeness
// under frozen rules, f32 against f64, passes in turn, packed sequences and resets.
#include "core/ops/embedding.h"
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
  std::vector<double> found = pass.dx, want;  // of the features, then of the weights
  const auto slope_of = [&](auto& at) {
    const auto kept = at;
    const auto shifted = [&](double step) {
      at = static_cast<std::remove_reference_t<decltype(at)>>(static_cast<double>(kept) + step);
      return op.loss();
    };
    want.push_back((8 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12 * h));
    at = kept;
  };
  for (float& x : x_) slope_of(x);
  for (size_t k = 0; k < w.size(); ++k) {
    append(found, pass.dw[k]);
    for (size_t i = 0; i < pass.dw[k].size(); ++i) slope_of(static_cast<double*>(w[k].data)[i]);
  }
  EXPECT_TRUE(agree(found, want, tol::kOpDifference));
}

TEST_P(Ops, FrozenRulesAreComplete) {
  const OpCase& c = GetParam();
  const WeightTable w = op_weights(c, DType::kF64);
  OpRun op{c, w, op_input(c, x_)};
  op.rules = frozen_rules();
  const OpPass pass = op.run<double>();
  if (c.affine) {
    EXPECT_TRUE(agree(pass.signal + pass.bias_share, pass.output, tol::kF64Sum.times(0.1)));
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
  EXPECT_TRUE(agree(a.y, b.y, tol::kF32Forward));
  EXPECT_TRUE(agree(a.dx, b.dx, tol::kF32Backward));
  for (size_t k = 0; k < a.dw.size(); ++k) EXPECT_TRUE(agree(a.dw[k], b.dw[k], tol::kF32Backward)) << k;
}

TEST_P(Ops, FloatAgreesWithDoubleOnHeavyTails) {
  const OpCase& c = GetParam();
  const WeightTable narrow = op_weights(c, DType::kF32);
  WeightTable wide = op_weights(c, DType::kF64);
  wide.copy_from(narrow);
  for (const Law law : {Law::kLognormal, Law::kCauchy}) {
    std::vector<float> x = tailed(x_, law);
    for (float& value : x) value = std::min(value, c.ceiling);
    const auto in_double = [&](const Arrays& in) {
      const std::vector<float> near(in[0].begin(), in[0].end());
      const OpPass p = OpRun{c, wide, op_input(c, near)}.run<double>();
      return Arrays{p.y, p.dx};
    };
    const Arrays inputs = {{x.begin(), x.end()}}, want = in_double(inputs), worth = sensitivity(inputs, in_double);
    const OpPass got = OpRun{c, narrow, op_input(c, x)}.run<float>();
    EXPECT_TRUE(agree(got.y, want[0], worth[0], tol::kF32HeavyOp)) << law_name(law);
    EXPECT_TRUE(agree(got.dx, want[1], worth[1], tol::kF32HeavyOp)) << law_name(law);
  }
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
    EXPECT_TRUE(agree(y, whole.y, tol::kF64Absolute)) << "cut " << cut;
    EXPECT_TRUE(agree(dx, whole.dx, tol::kF64Absolute)) << "cut " << cut;
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
    const Var out = c.op(ctx, w, ops::features(ctx));
    y.insert(y.end(), ctx.data<float>(out), ctx.data<float>(out) + ctx.cols(out));
    ctx.commit();
  }
  EXPECT_TRUE(agree(y, whole.y, tol::kF32Steps));
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
  EXPECT_TRUE(agree(y, all.y, tol::kF64Absolute));
  EXPECT_TRUE(agree(dx, all.dx, tol::kF64Absolute));
}

INSTANTIATE_TEST_SUITE_P(Table, Ops, testing::ValuesIn(all_cases()), [](const auto& one) {
  std::string name;
  for (char ch : one.param.name) name += std::isalnum(static_cast<unsigned char>(ch)) != 0 ? ch : '_';
  return name + "_" + std::to_string(one.index);
});

}  // namespace
}  // namespace hindscan
