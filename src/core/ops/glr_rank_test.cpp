// The recurrence with several erase and write steps a token, as one op: gradients, splits, paths, frozen rules.
#include "core/ops/glr_rank.h"

#include "base/testing/draws.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/mixer_test_support.h"

namespace hindscan {
namespace {

using mixer_test::MixerCase;

struct Shape {
  int64_t H, K, V, r;
  bool decay = true, row = false, s = true, d = false;
};

// Columns: q, then k, b, c of every step, v, g <= 0, s and d.
MixerCase make(const std::string& name, const Shape& p) {
  MixerCase c;
  c.name = name;
  std::vector<char> kinds;
  const auto add = [&](bool used, int64_t width, char kind) {
    const int64_t at = c.C;
    if (!used) return int64_t{-1};
    c.C += width;
    kinds.insert(kinds.end(), static_cast<size_t>(width), kind);
    return at;
  };
  const int64_t key = p.r * p.H * p.K, value = p.r * p.H * p.V, gw = p.row ? p.H * p.K : p.H;
  const int64_t q = add(true, p.H * p.K, 'n'), k = add(true, key, 'u'), b = add(true, key, 'e'),
                e = add(true, key, 'u');
  const int64_t v = add(true, value, 'n'), g = add(p.decay, gw, 'g'), s = add(p.s, p.r * p.H, 'u'),
                d = add(p.d, value, 'u');
  c.value_first = v;
  c.value_count = value;
  c.out = p.H * p.V;
  c.op = [=](Ctx& ctx, Var x, const WeightTable&) {
    const auto cut = [&](int64_t at, int64_t width) { return at < 0 ? kNoVar : ops::split(ctx, x, at, width); };
    GlrRank in{p.H, p.K, p.V, p.r, cut(q, p.H * p.K), cut(k, key), cut(v, value), cut(b, key), cut(e, key)};
    in.g = cut(g, gw);
    in.s = cut(s, p.r * p.H);
    in.d = cut(d, value);
    return ops::glr(ctx, in);
  };
  c.draw = [kinds](int64_t column, Rng& rng) {
    const double z = rng.normal(), unit = 1 / (1 + std::exp(-z));
    const char kind = kinds[static_cast<size_t>(column)];
    return kind == 'n' ? z : kind == 'g' ? -std::abs(z) - 0.01 : kind == 'e' ? -0.5 * unit : unit;
  };
  return c;
}

std::vector<MixerCase> all_cases() {
  return {make("two steps", {.H = 2, .K = 3, .V = 2, .r = 2}),
          make("two steps without decay", {.H = 1, .K = 3, .V = 3, .r = 2, .decay = false}),
          make("three steps, row, diagonal", {.H = 2, .K = 3, .V = 2, .r = 3, .row = true, .d = true}),
          make("one step, row, diagonal", {.H = 2, .K = 3, .V = 4, .r = 1, .row = true, .s = false, .d = true})};
}

TEST(GlrRank, GradientsAgreeWithFiniteDifferences) {
  for (const MixerCase& c : all_cases()) mixer_test::check_gradients(c, 5, tol::kOpDifference);
}

TEST(GlrRank, AnySplitGivesTheSame) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op, tol::kF64Op.times(10));
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op, tol::kF32Op.times(10));
  }
}

TEST(GlrRank, PathsAddUp) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_paths(c, DType::kF64, tol::kF64Op);
    mixer_test::check_paths(c, DType::kF32, tol::kF32Op);
    mixer_test::check_paths_over_chunks(c);
  }
}

TEST(GlrRank, FrozenAdjointIsTheImplicitAttentionTransposed) {
  for (const MixerCase& c : all_cases()) mixer_test::check_value_path(c);
}

TEST(GlrRank, RecomputationChangesNothing) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_recompute(c, DType::kF64);
    mixer_test::check_recompute(c, DType::kF32);
  }
}

TEST(GlrRank, SinglePrecisionFollowsDouble) {
  for (const MixerCase& c : all_cases()) mixer_test::check_single_precision(c, 150);
}

TEST(GlrRank, TheDiagonalMultipliesTheValues) {
  const std::vector<float> x = draws(3 * 28, 6);  // q 2, k 4, b 4, c 4, s 2, v 6, d 6
  Input input;
  input.features = x;
  input.feature_dim = 28;
  CtxOptions options;
  options.compute = DType::kF64;
  Ctx ctx(input, options);
  const Var all = ops::features(ctx);  // [3, 28]
  const auto cut = [&](int64_t at, int64_t width) { return ops::split(ctx, all, at, width); };
  const Var v = cut(16, 6), d = cut(22, 6);
  GlrRank in{1, 2, 3, 2, cut(0, 2), cut(2, 4), v, cut(6, 4), cut(10, 4)};
  in.s = cut(14, 2);
  in.d = d;
  const Var with = ops::glr(ctx, in);
  in.d = kNoVar;
  const Var without = ops::glr(ctx, in);
  in.v = ops::modulate(ctx, d, v);
  const Var before = ops::glr(ctx, in);
  const auto numbers = [&](Var y) { return std::vector<double>(ctx.data<double>(y), ctx.data<double>(y) + 9); };
  EXPECT_TRUE(agree(numbers(with), numbers(before), tol::kEqual));
  EXPECT_FALSE(agree(numbers(with), numbers(without), tol::kF32Forward));
}

TEST(GlrRank, WrongShapesAreRefused) {
  const std::vector<float> x(24, 0.5f);
  Input input;
  input.features = x;
  input.feature_dim = 12;
  Ctx ctx(input, {});
  const Var all = ops::features(ctx);  // [2, 12]
  const auto cut = [&](int64_t width) { return ops::split(ctx, all, 0, width); };
  GlrRank in{1, 2, 3, 2, cut(2), cut(4), cut(6), cut(4), cut(4)};
  EXPECT_EQ(ctx.cols(ops::glr(ctx, in)), 3);
  for (Var* part : {&in.q, &in.k, &in.v, &in.b, &in.c, &in.g, &in.s, &in.d}) {
    const Var right = *part;
    *part = cut(5);
    EXPECT_THROW(ops::glr(ctx, in), Error);
    *part = right;
  }
  in.steps = 0;
  EXPECT_THROW(ops::glr(ctx, in), Error);
}

}  // namespace
}  // namespace hindscan
