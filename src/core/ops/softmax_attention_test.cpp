// Softmax attention as an op, and what it leaves for maps.
#include "core/ops/softmax_attention.h"

#include "core/ops/arrange.h"
#include "core/ops/mixer_test_support.h"

namespace hindscan {
namespace {

using mixer_test::Mixer;
using mixer_test::MixerCase;

struct Shape {
  int64_t heads, kv_heads, d, d_v, window = 0;
  double soft_cap = 0;
};

MixerCase make(const std::string& name, const Shape& p) {
  MixerCase c;
  c.name = name;
  const int64_t q = 0, k = p.heads * p.d, v = k + p.kv_heads * p.d;
  c.C = v + p.kv_heads * p.d_v;
  c.value_first = v;
  c.value_count = p.kv_heads * p.d_v;
  c.out = p.heads * p.d_v;
  c.draw = [](int64_t, Rng& rng) { return rng.normal(); };
  c.op = [=](Ctx& ctx, Var x, const WeightTable&) {
    Attention in{p.heads, p.kv_heads, ops::split(ctx, x, q, p.heads * p.d), ops::split(ctx, x, k, p.kv_heads * p.d),
                 ops::split(ctx, x, v, p.kv_heads * p.d_v)};
    in.scale = 0.8;
    in.window = p.window;
    in.soft_cap = p.soft_cap;
    return ops::softmax_attention(ctx, in);
  };
  c.empty_paths = {MixerPath::kDecay, MixerPath::kGate};
  return c;
}

std::vector<MixerCase> all_cases() {
  return {make("one head", {1, 1, 3, 3}),
          make("grouped", {4, 2, 2, 3}),
          make("one key head, window", {3, 1, 2, 2, 4}),
          make("window of one", {2, 2, 2, 1, 1}),
          make("soft cap", {2, 1, 3, 2, 0, 1.5}),
          make("window, soft cap", {2, 2, 3, 2, 5, 2})};
}

TEST(SoftmaxAttention, GradientsAgreeWithFiniteDifferences) {
  for (const MixerCase& c : all_cases()) mixer_test::check_gradients(c, 7, tol::kOpDifference);
}

TEST(SoftmaxAttention, AnySplitGivesTheSame) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op.times(0.1), tol::kF64Op);
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op.times(0.2), tol::kF32Op);
  }
}

TEST(SoftmaxAttention, PathsAddUp) {
  for (MixerCase c : all_cases()) {
    if (c.name == "window of one")
      c.empty_paths = {MixerPath::kDecay, MixerPath::kGate, MixerPath::kWrite, MixerPath::kRead};
    mixer_test::check_paths(c, DType::kF64, tol::kF64Op);
    if (c.name != "window of one") mixer_test::check_paths(c, DType::kF32, tol::kF32Op);
    mixer_test::check_paths_over_chunks(c);
  }
}

TEST(SoftmaxAttention, FrozenAdjointIsTheTransposedMap) {
  for (const MixerCase& c : all_cases()) mixer_test::check_value_path(c);
}

// Half of the exact adjoint for values, a quarter for queries and keys, cached ones as well.
TEST(SoftmaxAttention, TheHalfRuleSharesTheExactAdjoint) {
  for (const MixerCase& c : all_cases()) {
    SCOPED_TRACE(c.name);
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const Mixer m(c, dtype);
      const std::vector<float> x = m.features(9, 14);
      std::vector<double> want = m.run(m.input(x), exact_rules()).dx;
      for (size_t i = 0; i < want.size(); ++i) want[i] *= static_cast<int64_t>(i) % c.C < c.value_first ? 0.25 : 0.5;
      const Tolerance bar = dtype == DType::kF64 ? tol::kF64Op : tol::kF32Op;
      EXPECT_TRUE(agree(m.run(m.input(x), half_attnlrp_rules()).dx, want, bar));
      EXPECT_TRUE(agree(m.run_chunks(x, {}, {0, 4, 5, 9}, half_attnlrp_rules()).dx, want, bar)) << "in chunks";
    }
  }
}

TEST(SoftmaxAttention, RecomputationChangesNothing) {
  for (const MixerCase& c : all_cases()) mixer_test::check_recompute(c, DType::kF32);
}

TEST(SoftmaxAttention, SinglePrecisionFollowsDouble) {
  for (const MixerCase& c : all_cases()) mixer_test::check_single_precision(c, 150);
}

template <class R>
SequenceState after(const Mixer& m, std::span<const float> x, int64_t at_once, bool in_place) {
  const int64_t C = m.the_case().C;
  SequenceState state;
  for (int64_t t = 0; t < static_cast<int64_t>(x.size()) / C; t += at_once) {
    Input in = m.input(x.subspan(static_cast<size_t>(t * C), static_cast<size_t>(at_once * C)));
    in.states = {&state};
    CtxOptions o = m.options(false);
    o.in_place = in_place;
    Ctx ctx(in, o);
    m.forward(ctx);
    ctx.commit();
  }
  return state;
}

TEST(SoftmaxAttention, AWindowBoundsTheCache) {
  const MixerCase c = make("window", {2, 1, 3, 2, 4});
  const Mixer m(c, DType::kF32);
  const std::vector<float> x = m.features(60, 1);
  EXPECT_EQ(after<float>(m, x, 20, false).rows("blocks.0.mixer.k", 3, DType::kF32).count, 3);
  const SequenceState state = after<float>(m, x, 1, true);
  EXPECT_GE(state.rows("blocks.0.mixer.v", 2, DType::kF32).count, 3);
  EXPECT_LE(state.rows("blocks.0.mixer.v", 2, DType::kF32).count, 7);
  const MixerCase open = make("open", {2, 1, 3, 2});
  const Mixer all(open, DType::kF32);
  EXPECT_EQ(after<float>(all, x, 5, true).rows("blocks.0.mixer.k", 3, DType::kF32).count, 60);
  EXPECT_EQ(after<float>(all, x, 5, false).rows("blocks.0.mixer.k", 3, DType::kF32).count, 60);
}

// The detail's weights times its values are the op's output, cached tokens included.
TEST(SoftmaxAttention, DetailReproducesTheOutput) {
  for (MixerCase c : all_cases()) {
    SCOPED_TRACE(c.name);
    int seen = 0;
    c.inspect = [&](Ctx& ctx) {
      for (const OpNode& node : ctx.nodes()) {
        const auto* d = dynamic_cast<const SoftmaxDetail<double>*>(node.mixer.get());
        if (d == nullptr) continue;
        ++seen;
        EXPECT_GE(d->past, std::min<int64_t>(6, d->window > 0 ? d->window - 1 : 6));
        std::vector<double> row(static_cast<size_t>(d->past + d->T));
        for (int64_t h = 0; h < d->heads; ++h) {
          kernels::attention_row(d->dims(), d->inputs(), d->lse, h, d->T - 1, row.data());
          double total = 0;
          for (int64_t e = 0; e < d->d_v; ++e) {
            double y = 0;
            for (size_t j = 0; j < row.size(); ++j)
              y += row[j] * d->v[(static_cast<int64_t>(j) * d->kv_heads + h / (d->heads / d->kv_heads)) * d->d_v + e];
            EXPECT_TRUE(agree(y, d->y[((d->T - 1) * d->heads + h) * d->d_v + e], tol::kF64Absolute.times(0.1)));
          }
          for (double p : row) total += p;
          EXPECT_TRUE(agree(total, 1, tol::kF64Absolute.times(0.1)));
        }
      }
    };
    const Mixer m(c, DType::kF64);
    const std::vector<float> x = m.features(6, 31), more = m.features(5, 32);
    SequenceState state = after<double>(m, x, 6, false);
    Input in = m.input(more);
    in.states = {&state};
    m.run(in, exact_rules());
    EXPECT_EQ(seen, 1);
  }
}

}  // namespace
}  // namespace hindscan
