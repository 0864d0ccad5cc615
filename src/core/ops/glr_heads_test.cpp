// Every head recurrence of the families, as one op: gradients, splits, paths, frozen rules, in f64 and f32.
#include "core/ops/arrange.h"
#include "core/ops/glr.h"
#include "core/ops/mixer_test_support.h"

namespace hindscan {
namespace {

using kernels::glr::Read;
using mixer_test::MixerCase;

enum Column : uint8_t { kFree, kDecayColumn, kUnit };  // N(0,1); <= 0; in (0, 1)

struct Builder {
  MixerCase c;
  std::vector<Column> kinds;
  int64_t add(int64_t width, Column kind) {
    const int64_t at = c.C;
    c.C += width;
    kinds.insert(kinds.end(), static_cast<size_t>(width), kind);
    return at;
  }
  MixerCase done() {
    c.draw = [k = kinds](int64_t column, Rng& rng) {
      const double z = rng.normal();
      const Column kind = k[static_cast<size_t>(column)];
      return kind == kFree ? z : kind == kDecayColumn ? -std::abs(z) - 0.01 : 1 / (1 + std::exp(-z));
    };
    return c;
  }
};

struct Shape {
  int64_t H, G, K, V, R = 1;
  bool decay = true, row = false, s = false, beta = false, bc = false, current = false, previous = false, bonus = false,
       log_bonus = false, initial = false;
  Read read = Read::kAfter;
  double scale = 1;
};

MixerCase make(const std::string& name, const Shape& p) {
  Builder b;
  b.c.name = name;
  const int64_t q = b.add(p.R * p.G * p.K, kFree), k = b.add(p.R * p.G * p.K, kUnit), v = b.add(p.R * p.H * p.V, kFree);
  const int64_t gw = p.row ? p.H * p.K : p.H;
  const int64_t g = p.decay ? b.add(gw, kDecayColumn) : -1, s = p.s ? b.add(p.H, kUnit) : -1,
                beta = p.beta ? b.add(p.H, kUnit) : -1;
  const int64_t bb = p.bc ? b.add(p.H * p.K, kUnit) : -1, cc = p.bc ? b.add(p.H * p.K, kUnit) : -1;
  const int64_t current = p.current ? b.add(p.H, kUnit) : -1, previous = p.previous ? b.add(p.H, kUnit) : -1;
  b.c.value_first = v;
  b.c.value_count = b.c.out = p.R * p.H * p.V;
  b.c.declare = [p](WeightTable& t) {
    const std::vector<int64_t> of_bonus = p.log_bonus ? std::vector<int64_t>{p.H} : std::vector<int64_t>{p.H, p.K};
    if (p.bonus) t.add("bonus", of_bonus, Init::normal(1));
    if (p.initial) t.add("initial", {p.H, p.V, p.K}, Init::normal(1));
  };
  b.c.op = [=](Ctx& ctx, Var x, const WeightTable& w) {
    const auto cut = [&](int64_t at, int64_t width) { return at < 0 ? kNoVar : ops::split(ctx, x, at, width); };
    GlrHeads in{};
    in.heads = p.H, in.groups = p.G, in.K = p.K, in.V = p.V, in.ranks = p.R;
    in.q = cut(q, p.R * p.G * p.K), in.k = cut(k, p.R * p.G * p.K), in.v = cut(v, p.R * p.H * p.V);
    in.g = cut(g, gw), in.s = cut(s, p.H), in.beta = cut(beta, p.H);
    in.b = cut(bb, p.H * p.K), in.c = cut(cc, p.H * p.K);
    in.current = cut(current, p.H), in.previous = cut(previous, p.H);
    in.bonus = p.bonus ? &w[0] : nullptr, in.read = p.read, in.scale = p.scale;
    in.initial = p.initial ? &w[p.bonus ? 1 : 0] : nullptr;
    return ops::glr(ctx, in);
  };
  if (!p.decay && !p.beta && !p.bc) b.c.empty_paths.push_back(MixerPath::kDecay);
  return b.done();
}

std::vector<MixerCase> all_cases() {
  std::vector<MixerCase> cases;
  cases.push_back(make("linear attention", {.H = 2, .G = 2, .K = 3, .V = 2, .decay = false, .scale = 0.5}));
  cases.push_back(make("scalar, groups, write weight", {.H = 4, .G = 2, .K = 3, .V = 2, .s = true}));
  cases.push_back(make("row", {.H = 2, .G = 1, .K = 3, .V = 4, .row = true, .scale = 0.7}));
  cases.push_back(make("row before with bonus",
                       {.H = 2, .G = 2, .K = 3, .V = 3, .row = true, .bonus = true, .read = Read::kBefore}));
  cases.push_back(
      make("row before with a logarithm per head",
           {.H = 2, .G = 2, .K = 3, .V = 2, .row = true, .bonus = true, .log_bonus = true, .read = Read::kBefore}));
  cases.push_back(make("delta rule", {.H = 2, .G = 2, .K = 3, .V = 2, .decay = false, .beta = true}));
  cases.push_back(make("gated delta rule, groups", {.H = 4, .G = 2, .K = 3, .V = 2, .beta = true, .scale = 0.6}));
  cases.push_back(make("gated delta rule per channel", {.H = 2, .G = 2, .K = 3, .V = 2, .row = true, .beta = true}));
  cases.push_back(make("row + rank 1", {.H = 2, .G = 2, .K = 3, .V = 2, .row = true, .bc = true}));
  cases.push_back(
      make("row + rank 1 from a start", {.H = 2, .G = 2, .K = 3, .V = 2, .row = true, .bc = true, .initial = true}));
  cases.push_back(
      make("row before with bonus from a start",
           {.H = 2, .G = 2, .K = 3, .V = 2, .row = true, .bonus = true, .initial = true, .read = Read::kBefore}));
  cases.push_back(make("current", {.H = 2, .G = 1, .K = 3, .V = 2, .current = true}));
  cases.push_back(make("two taps", {.H = 4, .G = 2, .K = 2, .V = 3, .current = true, .previous = true, .scale = 0.8}));
  cases.push_back(
      make("two taps, two ranks", {.H = 2, .G = 1, .K = 3, .V = 2, .R = 2, .current = true, .previous = true}));
  return cases;
}

TEST(GlrHeads, GradientsAgreeWithFiniteDifferences) {
  for (const MixerCase& c : all_cases()) mixer_test::check_gradients(c, 5, tol::kOpDifference);
}

TEST(GlrHeads, AnySplitGivesTheSame) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op, tol::kF64Op.times(10));
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op, tol::kF32Op.times(10));
  }
}

TEST(GlrHeads, PathsAddUp) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_paths(c, DType::kF64, tol::kF64Op);
    mixer_test::check_paths(c, DType::kF32, tol::kF32Op);
    mixer_test::check_paths_over_chunks(c);
  }
}

TEST(GlrHeads, FrozenAdjointIsTheImplicitAttentionTransposed) {
  for (const MixerCase& c : all_cases()) mixer_test::check_value_path(c);
}

TEST(GlrHeads, RecomputationChangesNothing) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_recompute(c, DType::kF64);
    mixer_test::check_recompute(c, DType::kF32);
  }
}

TEST(GlrHeads, SinglePrecisionFollowsDouble) {
  for (const MixerCase& c : all_cases()) mixer_test::check_single_precision(c, 150);
}

// Rows from the detail, the carried state included, give the op's output: what explain/ builds on.
TEST(GlrHeads, DetailReproducesTheOutput) {
  for (MixerCase c : all_cases()) {
    SCOPED_TRACE(c.name);
    int seen = 0;
    c.inspect = [&](Ctx& ctx) {
      for (const OpNode& node : ctx.nodes()) {
        const auto* d = dynamic_cast<const HeadDetail<double>*>(node.mixer.get());
        if (d == nullptr) continue;
        ++seen;
        EXPECT_EQ(d->state, "blocks.0.mixer.glr");
        const kernels::glr::HeadDims& m = d->dims;
        const int64_t t = m.T - 1, h = m.H - 1, r = m.R - 1;
        std::vector<double> w(static_cast<size_t>(m.T * m.R * m.H), 0), row(w.size()),
            carry(static_cast<size_t>(m.H * m.K), 0);
        w[static_cast<size_t>((t * m.R + r) * m.H + h)] = 1;
        kernels::glr::head_row_times(m, d->coeffs, w.data(), carry.data(), row.data());
        for (int64_t j = 0; j < m.V; ++j) {
          double y = 0;
          for (int64_t i = 0; i < m.T * m.R; ++i)
            y += row[static_cast<size_t>(i * m.H + h)] * d->v[(i * m.H + h) * m.V + j];
          for (int64_t k = 0; k < m.K; ++k)
            y += carry[static_cast<size_t>(h * m.K + k)] * d->S0[(h * m.K + k) * m.V + j];
          EXPECT_TRUE(agree(y, d->y[((t * m.R + r) * m.H + h) * m.V + j], tol::kF64Absolute.times(10)));
        }
      }
    };
    const mixer_test::Mixer m(c, DType::kF64);
    const std::vector<float> x = m.features(9, 21);
    SequenceState state;
    Input in = m.input(x);
    in.states = {&state};
    {
      Ctx ctx(in, m.options(false));
      m.forward(ctx);
      ctx.commit();
    }
    m.run(in, exact_rules());
    EXPECT_EQ(seen, 1);
  }
}

TEST(GlrHeads, RefusesWhatDoesNotFit) {
  MixerCase c = all_cases()[0];
  c.op = [](Ctx& ctx, Var x, const WeightTable&) {
    GlrHeads in{};
    in.heads = 2, in.groups = 2, in.K = 3, in.V = 2;
    in.q = in.k = ops::split(ctx, x, 0, 6), in.v = ops::split(ctx, x, 0, 5);
    return ops::glr(ctx, in);
  };
  const mixer_test::Mixer m(c, DType::kF64);
  EXPECT_THROW(m.run(m.input(m.features(3, 1)), exact_rules()), Error);
}

}  // namespace
}  // namespace hindscan
