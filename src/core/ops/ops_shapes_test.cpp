// Ops on 16-bit matrices, on shapes that do not fit, and the layouts of reordered tokens.
#include <limits>

#include "core/ops/ops_test_support.h"

namespace hindscan {
namespace {

const Init kWeights = Init::normal(0.6);

TokenOrder order_of(std::vector<int64_t> index, std::vector<uint8_t> resets = {}) {
  return {std::move(index), std::move(resets)};
}

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
                     return which == 0   ? ctx.linear_in(w[0], v)
                            : which == 1 ? ctx.block_linear(w[1], nullptr, v)
                                         : ctx.expert_linear(w[2], nullptr, 1, v);
                   }};
    OpRun a{c, half, op_input(c, x)}, b{c, widened, op_input(c, x)};
    a.rules = b.rules = exact_rules();
    const OpPass pa = a.run<float>(), pb = b.run<float>();
    EXPECT_TRUE(agree(pa.y, pb.y, tol::kF32Widened));
    EXPECT_TRUE(agree(pa.dx, pb.dx, tol::kF32Widened));
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
  const std::vector<std::function<void()>> wrong = {[&] { c.decay(v, w[0], 0.1, 1); },
                                                    [&] { c.decay_rate(RateMap::kNegExp, v, w[0]); },
                                                    [&] { c.decay_map(DecayMap::kExp, v, &w[0]); },
                                                    [&] { c.decay_map(DecayMap::kExp, kNoVar, nullptr); },
                                                    [&] { c.decay_bound(v, w[0], 0); },
                                                    [&] { c.modulate(c.split(v, 0, 2), v); },
                                                    [&] { c.mix(v, v, w[0], kNoVar, false); },
                                                    [&] { c.head_dot(v, v, nullptr, 2); },
                                                    [&] { c.channel_scale(w[0], v); },
                                                    [&] { c.linear_in(w[0], v); },
                                                    [&] { c.block_linear(w[0], nullptr, v); },
                                                    [&] { c.block_linear(w[1], nullptr, v); },
                                                    [&] { c.expert_linear(w[1], nullptr, 2, v); },
                                                    [&] {
                                                      c.norm({NormOptions::Kind::kRms, 1e-5, 2}, nullptr, nullptr, v);
                                                    },
                                                    [&] { c.norm({}, &w[0], nullptr, v); },
                                                    [&] {
                                                      c.rope({1, 5, 6}, v);
                                                    },
                                                    [&] { c.rotate(v, v, 1, true); },
                                                    [&] { c.phase(v, v, 2); },
                                                    [&] { c.moe_route(v, {6}); },
                                                    [&] { c.gather_tokens(v, order_of({4})); },
                                                    [&] {
                                                      c.gather_tokens(v, order_of({0}, {0, 1}));
                                                    },
                                                    [&] {
                                                      c.pool_tokens(v, order_of({0, 1, 2}), 2);
                                                    },
                                                    [&] { c.insert_token(w[0], v, 0); },
                                                    [&] { c.soft_cap(0, v); },
                                                    [&] { c.skip(w[0], v, v); },
                                                    [&] { c.rank_expand(w[1], v, 2, 3); }};
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
