// Ops on 16-bit matrices, on shapes that do not fit, and the layouts of reordered tokens.
#include <limits>

#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/experts.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/ops_test_support.h"
#include "core/ops/order.h"
#include "core/ops/pool.h"
#include "core/ops/rotate.h"
#include "core/ops/scale.h"
#include "core/ops/skip.h"
#include "core/ops/token_mix.h"

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
                     return which == 0   ? ops::linear_in(ctx, w[0], v)
                            : which == 1 ? ops::block_linear(ctx, w[1], nullptr, v)
                                         : ops::expert_linear(ctx, w[2], nullptr, 1, v);
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
  const Var v = ops::features(c);
  const std::vector<std::function<void()>> wrong = {
      [&] { ops::decay(c, v, w[0], 0.1, 1); },
      [&] { ops::decay_rate(c, RateMap::kNegExp, v, w[0]); },
      [&] { ops::decay_map(c, DecayMap::kExp, v, &w[0]); },
      [&] { ops::decay_map(c, DecayMap::kExp, kNoVar, nullptr); },
      [&] { ops::decay_bound(c, v, w[0], 0); },
      [&] { ops::modulate(c, ops::split(c, v, 0, 2), v); },
      [&] { ops::mix(c, v, v, w[0], kNoVar, false); },
      [&] { ops::head_dot(c, v, v, nullptr, 2); },
      [&] { ops::channel_scale(c, w[0], v); },
      [&] { ops::linear_in(c, w[0], v); },
      [&] { ops::block_linear(c, w[0], nullptr, v); },
      [&] { ops::block_linear(c, w[1], nullptr, v); },
      [&] { ops::expert_linear(c, w[1], nullptr, 2, v); },
      [&] {
        ops::norm(c, {NormOptions::Kind::kRms, 1e-5, 2}, nullptr, nullptr, v);
      },
      [&] { ops::norm(c, {}, &w[0], nullptr, v); },
      [&] {
        ops::rope(c, {1, 5, 6}, v);
      },
      [&] { ops::rotate(c, v, v, 1, true); },
      [&] { ops::phase(c, v, v, 2); },
      [&] { ops::moe_route(c, v, {6}); },
      [&] { ops::gather_tokens(c, v, order_of({4})); },
      [&] {
        ops::gather_tokens(c, v, order_of({0}, {0, 1}));
      },
      [&] {
        ops::pool_tokens(c, v, order_of({0, 1, 2}), 2);
      },
      [&] { ops::insert_token(c, w[0], v, 0); },
      [&] { ops::soft_cap(c, 0, v); },
      [&] { ops::skip(c, w[0], v, v); },
      [&] { ops::rank_expand(c, w[1], v, 2, 3); }};
  for (size_t i = 0; i < wrong.size(); ++i) EXPECT_THROW(wrong[i](), Error) << i;
  std::vector<float> broken = x;
  broken[7] = std::numeric_limits<float>::quiet_NaN();
  in.features = broken;
  Ctx nan(in, {});
  EXPECT_THROW(ops::moe_route(nan, ops::features(nan), {2}), Error);
  Input tokens;
  const std::vector<int32_t> ids = {1, 2};
  tokens.tokens = ids;
  Ctx text(tokens, {});
  EXPECT_THROW(ops::features(text), Error);
}

TEST(OpsOrder, EqualLayoutsAreSharedAndSequencesStayApart) {
  const std::vector<float> x = grid_features(8, 2, 3);
  Input in;
  in.features = x;
  in.feature_dim = 2;
  in.cu_seqlens = {0, 3, 8};
  Ctx c(in, {});
  const Var v = ops::features(c);
  const TokenOrder back = order_of({2, 1, 0});
  const Var a = ops::gather_tokens(c, v, back), b = ops::gather_tokens(c, v, back);
  EXPECT_EQ(&c.layout(a), &c.layout(b));
  EXPECT_EQ(c.layout(a).cu, (std::vector<int64_t>{0, 3, 6}));
  EXPECT_EQ(c.data<float>(a)[3 * 2], x[5 * 2]);  // the second sequence begins at row 3
  for (const Segment& s : c.layout(a).segments) EXPECT_FALSE(s.carries_in || s.carries_out);
  EXPECT_EQ(c.data<float>(ops::pool(c, Pool::kLast, v))[2], x[7 * 2]);
  in.cu_seqlens = {0, 0, 8};
  Ctx empty(in, {});
  EXPECT_THROW(ops::pool(empty, Pool::kMean, ops::features(empty)), Error);
}

}  // namespace
}  // namespace hindscan
