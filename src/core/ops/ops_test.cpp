// Every op of Ctx that needs no kernel of its own, by one table: exact gradients against differences, completeness under
// frozen rules, f32 against f64, passes in turn, packed sequences and resets.
#include "core/ops/ops_test_support.h"

#include <limits>

namespace hindscan {
namespace {

const Init kWeights = Init::normal(0.6);

std::function<void(WeightTable&)> weights(std::vector<std::vector<int64_t>> shapes) {
  return [shapes](WeightTable& t) {
    for (size_t i = 0; i < shapes.size(); ++i) t.add(fmt::format("w{}", i), shapes[i], kWeights);
  };
}

OpCase map_case(const char* name, DecayMap map, bool biased, double shift = 0) {
  return {name, 5, biased ? weights({{5}}) : std::function<void(WeightTable&)>(),
          [=](Ctx& c, const WeightTable& w, Var x) {
            const std::vector<double> by(5, shift);
            return c.decay_map(map, shift == 0 ? x : c.add(x, c.decay_constant(by)), biased ? &w[0] : nullptr, 0.7);
          },
          false};
}

OpCase norm_case(const char* name, NormOptions o, std::vector<std::vector<int64_t>> shapes) {
  return {name, 12, weights(shapes), [=](Ctx& c, const WeightTable& w, Var x) {
            return c.norm(o, w.size() > 0 ? &w[0] : nullptr, w.size() > 1 ? &w[1] : nullptr, x);
          }};
}

std::vector<OpCase> coefficient_cases() {
  using K = NormOptions::Kind;
  std::vector<OpCase> out = {
      {"decay", 5, weights({{5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay(x, w[0]); }, false},
      {"decay clamped", 5, weights({{5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay(x, w[0], 0.3, 1.1); }, false},
      {"decay_rate -exp", 6, weights({{6}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay_rate(RateMap::kNegExp, x, w[0]); }, false},
      {"decay_rate per head", 6, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay_rate(RateMap::kNegSoftplus, x, w[0], 8); }, false},
      {"decay_map of a bias", 4, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.modulate(c.decay_map(DecayMap::kNegExp, kNoVar, &w[0]), c.split(x, 0, 3)); }},
      {"decay_bound 0", 4, weights({{3, 4}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay_bound(x, w[0], 0); }, false},
      {"decay_bound 2", 4, weights({{4, 4}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay_bound(x, w[0], 2); }, false},
      map_case("log sigmoid", DecayMap::kLogSigmoid, true), map_case("sigmoid", DecayMap::kSigmoid, false),
      map_case("-sigmoid", DecayMap::kNegSigmoid, true), map_case("-exp", DecayMap::kNegExp, true), map_case("exp", DecayMap::kExp, false),
      map_case("1 - exp", DecayMap::kOneMinusExp, false), map_case("sqrt(1 - exp 2x)", DecayMap::kSqrtOneMinusExp2, false, -6),
      map_case("heavy tail", DecayMap::kNegHeavyTail, true), map_case("softplus", DecayMap::kSoftplus, true),
      map_case("tanh", DecayMap::kTanh, true), map_case("identity", DecayMap::kIdentity, true),
      {"gate", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.gate(c.split(x, 0, 3), c.split(x, 3, 3)); }},
      {"gate per head", 8, {}, [](Ctx& c, const WeightTable&, Var x) { return c.gate(c.split(x, 0, 6), c.split(x, 6, 2)); }},
      {"modulate", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.modulate(c.split(x, 3, 3), c.split(x, 0, 3)); }},
      {"modulate per head", 8, {}, [](Ctx& c, const WeightTable&, Var x) { return c.modulate(c.split(x, 6, 2), c.split(x, 0, 6)); }},
      {"lerp", 9, {}, [](Ctx& c, const WeightTable&, Var x) { return c.lerp(c.split(x, 0, 3), c.split(x, 3, 3), c.split(x, 6, 3)); }},
      {"lerp per head", 14, {}, [](Ctx& c, const WeightTable&, Var x) { return c.lerp(c.split(x, 0, 6), c.split(x, 6, 6), c.split(x, 12, 2)); }},
      {"mix", 4, weights({{1, 1, 4}}), [](Ctx& c, const WeightTable& w, Var x) { return c.mix(x, c.token_shift(x), w[0], kNoVar, false); }},
      {"mix of x", 4, weights({{4}}), [](Ctx& c, const WeightTable& w, Var x) { return c.mix(x, c.token_shift(x), w[0], kNoVar, true); }},
      {"mix with delta", 8, weights({{4}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         const Var signal = c.split(x, 0, 4);
         return c.mix(signal, c.token_shift(signal), w[0], c.split(x, 4, 4), false);
       }},
      {"head_dot", 12, weights({{2, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.head_dot(c.split(x, 0, 6), c.split(x, 6, 6), &w[0], 2); },
       false},
      {"head_dot with itself", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.head_dot(x, x, nullptr, 3); }, false},
      {"soft_cap", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return c.soft_cap(1.5, x); }},
      norm_case("rms groups", {K::kRms, 1e-3, 3, false}, {{4}}), norm_case("rms one plus", {K::kRms, 1e-3, 1, true}, {{12}}),
      norm_case("rms plain", {}, {{12}}), norm_case("rms bias", {}, {{12}, {12}}), norm_case("layer", {K::kLayer, 1e-3, 1, false}, {{12}, {12}}),
      norm_case("layer plain", {K::kLayer, 1e-5, 4, false}, {}), norm_case("group", {K::kLayer, 1e-3, 3, true}, {{12}, {12}}),
      norm_case("group shared", {K::kLayer, 1e-3, 2, false}, {{6}, {6}}), norm_case("l2 inside", {K::kL2Inside, 1e-3, 3, false}, {}),
      norm_case("l2 max", {K::kL2Max, 1e-12, 3, false}, {}), norm_case("l2 max clamped", {K::kL2Max, 3, 6, false}, {}),
  };
  return out;
}

TokenOrder order_of(std::vector<int64_t> index, std::vector<uint8_t> resets = {}) { return {std::move(index), std::move(resets)}; }

Var experts_of(Ctx& c, const WeightTable& w, Var x, const Route& route) {
  const Var chosen = c.moe_route(c.split(x, 0, 4), route), signal = c.split(x, 4, 3);
  std::vector<int64_t> ids = {0, 1, 2, 3};
  std::vector<Var> parts;
  for (int64_t e : ids) parts.push_back(c.expert_linear(w[0], &w[1], e, c.select(signal, c.routed_rows(chosen, e))));
  return c.combine_experts(chosen, ids, parts, 5);
}

std::vector<OpCase> signal_cases() {
  return {
      {"scale", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return c.scale(-1.7, x); }},
      {"channel_scale", 5, weights({{5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.channel_scale(w[0], x); }},
      {"skip per head", 10, weights({{2}}), [](Ctx& c, const WeightTable& w, Var x) { return c.skip(w[0], c.split(x, 4, 6), c.split(x, 0, 6)); }},
      {"skip of the current token", 24, weights({{2, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return c.skip(CurrentToken{2, c.split(x, 0, 6), c.split(x, 6, 6), c.split(x, 12, 6), &w[0]}, c.split(x, 18, 6));
       }},
      {"concat", 5, {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var parts[] = {c.split(x, 3, 2), x, c.split(x, 0, 1)};
         return c.concat(parts);
       }},
      {"split_strided", 10, {}, [](Ctx& c, const WeightTable&, Var x) { return c.split_strided(x, 3, 3, 1, 2); }},
      {"head_broadcast", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.head_broadcast(x, 3, 2); }},
      {"linear_in", 5, weights({{5, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.linear_in(w[0], x); }},
      {"linear_in rows", 4, weights({{3, 2, 5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.linear_in(w[0], x, 2, 4); }},
      {"block_linear", 6, weights({{2, 3, 4}, {2, 4}}), [](Ctx& c, const WeightTable& w, Var x) { return c.block_linear(w[0], &w[1], x); }},
      {"expert_linear", 3, weights({{4, 5, 3}, {4, 5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.expert_linear(w[0], &w[1], 2, x); }},
      {"rank_expand", 6, weights({{2, 4, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.rank_expand(w[0], x, 2, 4); }},
      {"rank_reduce", 24, weights({{2, 4, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.rank_reduce(w[0], x, 2, 4); }},
      {"token_shift", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.token_shift(x); }},
      {"two token_shifts", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.token_shift(c.token_shift(x)); }},
      {"rope", 14, {}, [](Ctx& c, const WeightTable&, Var x) { return c.rope({2, 7, 6, 100, false}, x); }},
      {"rope interleaved", 8, {}, [](Ctx& c, const WeightTable&, Var x) { return c.rope({1, 8, 4, 10000, true}, x); }},
      {"rotate", 12, {}, [](Ctx& c, const WeightTable&, Var x) { return c.rotate(c.split(x, 0, 8), c.split(x, 8, 4), 2, true); }},
      {"rotate halves in part", 14, {}, [](Ctx& c, const WeightTable&, Var x) { return c.rotate(c.split(x, 0, 12), c.split(x, 12, 2), 2, false); }},
      {"phase", 13, {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var theta = c.phase(c.split(x, 8, 2), c.split(x, 10, 2), 2);
         return c.rotate(c.split(x, 0, 8), theta, 2, true);
       }},
      {"experts", 7, weights({{4, 5, 3}, {4, 5}}), [](Ctx& c, const WeightTable& w, Var x) { return experts_of(c, w, x, {2, true, false, 1.5}); }},
      {"experts sigmoid", 7, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return experts_of(c, w, x, {3, false, true}); }},
      {"experts sigmoid normalised", 7, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return experts_of(c, w, x, {2, true, true}); }},
      {"gather", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.gather_tokens(x, order_of({6, 0, 2, 2, 5})); }, true, false},
      {"scatter_add", 3, {},
       [](Ctx& c, const WeightTable&, Var x) {
         const TokenOrder o = order_of({6, 0, 2, 2, 5});
         return c.scatter_add_tokens(c.gather_tokens(x, o), o, x);
       },
       true, false},
      {"pool_tokens", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool_tokens(x, order_of({6, 0, 2, 2, 5, 1}), 3); }, true, false},
      {"insert_token", 3, weights({{1, 1, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.token_shift(c.insert_token(w[0], x, 4)); }, true,
       false},
      {"shift in another order", 3, {},
       [](Ctx& c, const WeightTable&, Var x) { return c.token_shift(c.gather_tokens(x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1}))); },
       true, false},
      {"rope in another order", 4, {},
       [](Ctx& c, const WeightTable&, Var x) { return c.rope({1, 4, 4}, c.gather_tokens(x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1}))); },
       true, false},
      {"pool mean", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kMean, x); }, true, false},
      {"pool last", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kLast, x); }, true, false},
      {"pool first", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kFirst, x); }, true, false},
      {"pool max", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kMax, x); }, true, false},
  };
}

std::vector<OpCase> all_cases() {
  std::vector<OpCase> out = coefficient_cases();
  for (OpCase& c : signal_cases()) out.push_back(std::move(c));
  return out;
}

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
    for (size_t i = 0; i < pass.dw[k].size(); ++i) expect_slope(values[i], pass.dw[k][i], fmt::format("{} {}", w[k].name, i));
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
    Input in = op_input(c, std::span<const float>(x_).subspan(static_cast<size_t>(t * c.channels), static_cast<size_t>(c.channels)));
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
    OpRun part{c, w, op_input(c, std::span<const float>(x_).subspan(static_cast<size_t>(begin * c.channels), static_cast<size_t>((end - begin) * c.channels)))};
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

TEST(OpsStorage, SixteenBitMatricesActAsTheirWidenedValues) {
  const auto declare = [](WeightTable& t) {
    t.add_matrix("in", {6, 5}, kWeights);
    t.add_matrix("block", {2, 3, 4}, kWeights);
    t.add_matrix("experts", {3, 5, 6}, kWeights);
  };
  WeightTable full, half, widened;
  for (WeightTable* t : {&full, &half, &widened}) declare(*t);
  full.allocate(DType::kF32);
  full.initialise(2);
  half.allocate(DType::kBF16);
  widened.allocate(DType::kF32);
  half.copy_from(full);
  widened.copy_from(half);
  const std::vector<float> x = grid_features(9, 6, 3);
  for (int which = 0; which < 3; ++which) {
    const OpCase c{"", 6, {}, [which](Ctx& ctx, const WeightTable& w, Var v) {
                     return which == 0 ? ctx.linear_in(w[0], v) : which == 1 ? ctx.block_linear(w[1], nullptr, v) : ctx.expert_linear(w[2], nullptr, 1, v);
                   }};
    OpRun a{c, half, op_input(c, x)}, b{c, widened, op_input(c, x)};
    a.rules = b.rules = exact_rules();
    const OpPass pa = a.run<float>(), pb = b.run<float>();
    for (size_t i = 0; i < pa.y.size(); ++i) EXPECT_NEAR(pa.y[i], pb.y[i], 1e-6);
    for (size_t i = 0; i < pa.dx.size(); ++i) EXPECT_NEAR(pa.dx[i], pb.dx[i], 1e-6);
  }
}

TEST(OpsErrors, ShapesThatDoNotFitAreNamed) {
  WeightTable w;
  w.add("w", {2, 3}, kWeights);
  w.add("cube", {2, 3, 4}, kWeights);
  w.allocate(DType::kF32);
  const std::vector<float> x = grid_features(4, 5, 3);
  Input in;
  in.features = x;
  in.feature_dim = 5;
  Ctx c(in, {});
  const Var v = c.features();
  const std::vector<std::function<void()>> wrong = {
      [&] { c.decay(v, w[0], 0.1, 1); }, [&] { c.decay_rate(RateMap::kNegExp, v, w[0]); }, [&] { c.decay_map(DecayMap::kExp, v, &w[0]); },
      [&] { c.decay_map(DecayMap::kExp, kNoVar, nullptr); }, [&] { c.decay_bound(v, w[0], 0); }, [&] { c.modulate(c.split(v, 0, 2), v); },
      [&] { c.mix(v, v, w[0], kNoVar, false); }, [&] { c.head_dot(v, v, nullptr, 2); }, [&] { c.channel_scale(w[0], v); },
      [&] { c.linear_in(w[0], v); }, [&] { c.block_linear(w[0], nullptr, v); }, [&] { c.block_linear(w[1], nullptr, v); },
      [&] { c.expert_linear(w[1], nullptr, 2, v); }, [&] { c.norm({NormOptions::Kind::kRms, 1e-5, 2}, nullptr, nullptr, v); },
      [&] { c.norm({}, &w[0], nullptr, v); }, [&] { c.rope({1, 5, 6}, v); }, [&] { c.rotate(v, v, 1, true); }, [&] { c.phase(v, v, 2); },
      [&] { c.moe_route(v, {6}); }, [&] { c.gather_tokens(v, order_of({4})); }, [&] { c.gather_tokens(v, order_of({0}, {0, 1})); },
      [&] { c.pool_tokens(v, order_of({0, 1, 2}), 2); }, [&] { c.insert_token(w[0], v, 0); }, [&] { c.soft_cap(0, v); },
      [&] { c.skip(w[0], v, v); }, [&] { c.rank_expand(w[1], v, 2, 3); }};
  for (size_t i = 0; i < wrong.size(); ++i) EXPECT_THROW(wrong[i](), Error) << i;
  std::vector<float> broken = x;
  broken[7] = std::numeric_limits<float>::quiet_NaN();
  in.features = broken;
  Ctx nan(in, {});
  EXPECT_THROW(nan.moe_route(nan.features(), {2}), Error);
  Input tokens;
  const std::vector<int32_t> ids = {1, 2};
  tokens.tokens = ids;
  Ctx text(tokens, {});
  EXPECT_THROW(text.features(), Error);
}

TEST(OpsOrder, EqualLayoutsAreSharedAndSequencesStayApart) {
  const std::vector<float> x = grid_features(8, 2, 3);
  Input in;
  in.features = x;
  in.feature_dim = 2;
  in.cu_seqlens = {0, 3, 8};
  Ctx c(in, {});
  const Var v = c.features();
  const TokenOrder back = order_of({2, 1, 0});
  const Var a = c.gather_tokens(v, back), b = c.gather_tokens(v, back);
  EXPECT_EQ(&c.layout(a), &c.layout(b));
  EXPECT_EQ(c.layout(a).cu, (std::vector<int64_t>{0, 3, 6}));
  EXPECT_EQ(c.data<float>(a)[3 * 2], x[5 * 2]);  // the second sequence begins at row 3
  for (const Segment& s : c.layout(a).segments) EXPECT_FALSE(s.carries_in || s.carries_out);
  EXPECT_EQ(c.data<float>(c.pool(Pool::kLast, v))[2], x[7 * 2]);
  in.cu_seqlens = {0, 0, 8};
  Ctx empty(in, {});
  EXPECT_THROW(empty.pool(Pool::kMean, empty.features()), Error);
}

}  // namespace
}  // namespace hindscan
