// Reordered tokens on the tape: maps come back in the text's order, decompositions still add up.
#include "explain/orders.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/order.h"
#include "core/ops/pool.h"
#include "explain/row_scan.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

// Two residual blocks whose mixer runs a channel recurrence forwards and backwards over one projection, a class token
// in front, mean or first-token pooling at the end.
struct Bidirectional {
  static constexpr int64_t kD = 6, kT = 9;
  WeightTable table;
  Weight *cls, *head;
  struct Layer {
    Weight *norm, *in, *decay, *out, *out_bias;
  };
  std::vector<Layer> layers;
  Pool pool;
  bool class_token;

  Bidirectional(Pool p, bool with_class_token) : pool(p), class_token(with_class_token) {
    cls = &table.add("cls", {kD}, Init::normal(1));
    head = &table.add_matrix("head", {3, kD}, Init::normal(0.5));
    for (int l = 0; l < 2; ++l) {
      const std::string name = fmt::format("{}.", l);
      layers.push_back({&table.add(name + "norm", {kD}, Init::normal(1)),
                        &table.add_matrix(name + "in", {kD, kD}, Init::normal(0.5)),
                        &table.add_matrix(name + "decay", {kD, kD}, Init::normal(0.5)),
                        &table.add_matrix(name + "out", {kD, kD}, Init::normal(0.5)),
                        &table.add(name + "out_bias", {kD}, Init::normal(0.5))});
    }
    table.allocate(DType::kF64);
    table.initialise(11);
  }

  static TokenOrder reversed(int64_t T) {
    TokenOrder order;
    for (int64_t t = T; t-- > 0;) order.index.push_back(t);
    return order;
  }

  Var scan(Ctx& c, const Layer& w, Var u) const {
    const Var v = ops::activation(c, kernels::Act::kSilu, ops::linear(c, *w.in, nullptr, u));
    const Var g = ops::decay_map(c, DecayMap::kLogSigmoid, ops::linear(c, *w.decay, nullptr, u), nullptr);
    return ops::glr(c, GlrChannel{.v = v, .g = g});
  }
  Var mix(Ctx& c, const Layer& w, Var u) const {
    const TokenOrder back = reversed(c.rows(u));
    const Var there = scan(c, w, u), again = scan(c, w, ops::gather_tokens(c, u, back));
    return ops::linear(c, *w.out, w.out_bias, ops::add(c, there, ops::scatter_add_tokens(c, again, back, u)));
  }
  Var forward(Ctx& c) const {
    Var h = ops::embedding(c, *head);  // features pass through
    if (class_token) h = ops::insert_token(c, *cls, h, 4);
    for (size_t l = 0; l < layers.size(); ++l) {
      h = c.block(static_cast<int>(l), h, [&, l](Ctx& b, Var x) {
        return ops::add(b, x, b.mixer(ops::rmsnorm(b, layers[l].norm, x, 1e-5), [&, l](Ctx& m, Var u) {
          return mix(m, layers[l], u);
        }));
      });
    }
    return ops::pool(c, pool, h);
  }
};

struct Pass {
  explicit Pass(const Bidirectional& model)
      : features(random()), input(make()), ctx(input, options()), h(model.forward(ctx)) {}
  static std::vector<float> random() {
    Rng rng(4, "orders");
    std::vector<float> x;
    for (int64_t i = 0; i < Bidirectional::kT * Bidirectional::kD; ++i) x.push_back(static_cast<float>(rng.normal()));
    return x;
  }
  Input make() const {
    Input in;
    in.features = features;
    in.feature_dim = Bidirectional::kD;
    return in;
  }
  static CtxOptions options() {
    CtxOptions o;
    o.record = true;
    o.compute = DType::kF64;
    return o;
  }
  std::vector<float> features;
  Input input;
  Ctx ctx;
  Var h;
};

class OrdersOf : public ::testing::TestWithParam<std::tuple<Pool, bool>> {};
INSTANTIATE_TEST_SUITE_P(All, OrdersOf,
                         ::testing::Combine(::testing::Values(Pool::kMean, Pool::kLast, Pool::kFirst),
                                            ::testing::Bool()));

TEST_P(OrdersOf, FrozenScoresOfTheTextAddUpAndRowsAreComplete) {
  const auto [pool, class_token] = GetParam();
  const Bidirectional model(pool, class_token);
  Pass pass(model);
  EXPECT_TRUE(needs_whole_text(pass.ctx));
  const Views<double> views = mixer_views<double>(pass.ctx);
  ASSERT_EQ(views.size(), 4u);
  EXPECT_EQ(views[0]->stage, views[1]->stage);  // forwards and backwards read the same array
  EXPECT_LT(views[1]->stage, views[2]->stage);
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  std::vector<double> seed;
  double target = 0;
  for (int64_t c = 0; c < Bidirectional::kD; ++c) {
    seed.push_back(std::cos(static_cast<double>(c)));
    target += seed.back() * pass.ctx.data<double>(pass.h)[c];
  }
  const Chunk<double> chunk{pass.ctx, pass.h, 0, Bidirectional::kT, 0, 0, seed, seed, views, orders};
  const WalkSizes sizes{Bidirectional::kT, Bidirectional::kT, 4, 0};
  RowScan<double> rows(sizes);
  rows.back(chunk);
  EXPECT_FALSE(rows.residuals().empty());
  for (double r : rows.residuals()) EXPECT_LT(r, 1e-12);
  const MethodSpec spec{"frozen", {}};
  const auto frozen = make_frozen(MethodContext<double>{sizes, spec, views, rows});
  frozen->back(chunk);
  TargetReport report;
  report.logit = target;
  const MethodReport m = frozen->finish(nullptr, report);
  EXPECT_TRUE(agree(m.total().completeness->residual, 0, tol::kF64Absolute.times(10)));
  EXPECT_GT(largest(m.scores()), 1e-6);
}

// Tokens later than the pooled one reach it through the backward scan alone, in their own places.
TEST_P(OrdersOf, RolloutEqualsExplicitMatrices) {
  const auto [pool, class_token] = GetParam();
  const Bidirectional model(pool, class_token);
  Pass pass(model);
  const Views<double> views = mixer_views<double>(pass.ctx);
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  const int64_t T = Bidirectional::kT, n = T + (class_token ? 1 : 0);
  std::vector<double> r(static_cast<size_t>(n), pool == Pool::kMean ? 1.0 / static_cast<double>(n) : 0.0);
  if (pool == Pool::kLast) r.back() = 1;
  if (pool == Pool::kFirst) r.front() = 1;
  for (size_t l : {size_t{2}, size_t{0}}) {
    std::vector<double> next = r;
    for (size_t direction = 0; direction < 2; ++direction) {
      const MixerView<double>& view = *views[l + direction];
      const auto& coeffs = detail_as<ChannelDetail<double>>(*pass.ctx.nodes()[view.ops().core].mixer).coeffs;
      const auto place = [&](int64_t t) { return static_cast<size_t>(direction == 0 ? t : n - 1 - t); };
      for (int64_t d = 0; d < Bidirectional::kD; ++d) {
        for (int64_t j = 0; j < n; ++j) {
          double decay = 0;
          for (int64_t i = j; i < n; ++i) {
            if (i > j) decay += coeffs.g[i * Bidirectional::kD + d];
            next[place(j)] += r[place(i)] * std::exp(decay) / static_cast<double>(Bidirectional::kD);
          }
        }
      }
    }
    r = next;
  }
  if (class_token) r.erase(r.begin() + 4);
  const std::vector<double> seed(Bidirectional::kD, 1.0);
  const Chunk<double> chunk{pass.ctx, pass.h, 0, T, 0, 0, seed, seed, views, orders};
  const WalkSizes sizes{T, T, 4, 0};
  const MethodSpec spec{"rollout", {}};
  const RowScan<double> core(sizes);
  const auto rollout = make_rollout(MethodContext<double>{sizes, spec, views, core});
  rollout->back(chunk);
  const MethodReport m = rollout->finish(nullptr, {});
  r.resize(static_cast<size_t>(T));
  EXPECT_TRUE(agree(m.scores(), r, tol::kF64Scores));
}

TEST(Orders, RepeatedAndLeftOutTokensMoveThereAndBack) {
  const Bidirectional model(Pool::kMean, false);
  const std::vector<float> features = Pass::random();
  Input input;
  input.features = features;
  input.feature_dim = Bidirectional::kD;
  Ctx ctx(input, Pass::options());
  const Var x = ops::embedding(ctx, *model.head);
  TokenOrder order;
  order.index = {3, 3, 0, 8, 1, 3, 5};
  const Var y = ops::gather_tokens(ctx, x, order);
  const Var pooled = ops::pool_tokens(ctx, y, {{0, 1, 2, 3}, {}}, 2);
  const Orders orders = Orders::of<double>(ctx, pooled);
  std::vector<double> text(9, 0.0);
  text[3] = 2;
  text[8] = 1;
  EXPECT_EQ(orders.move(x, y, text), (std::vector<double>{2, 2, 0, 1, 0, 2, 0}));
  EXPECT_EQ(orders.move(y, x, {1, 2, 3, 4, 5, 6, 7}), (std::vector<double>{3, 5, 0, 9, 0, 7, 0, 0, 4}));
  EXPECT_EQ(orders.move(pooled, x, {1, 3}), (std::vector<double>{1.5, 0, 0, 1, 0, 0, 0, 0, 1.5}));
}

}  // namespace
}  // namespace hindscan
