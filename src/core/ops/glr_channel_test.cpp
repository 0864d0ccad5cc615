// Channel recurrences and the two normalised ones (RWKV-4, mLSTM): gradients, splits, paths, frozen rules, large
// inputs.
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/glr.h"
#include "core/ops/mixer_test_support.h"

namespace hindscan {
namespace {

using mixer_test::Mixer;
using mixer_test::MixerCase;

MixerCase channel_case(const std::string& name, int64_t D, bool w, bool r) {
  MixerCase c;
  c.name = name;
  const int64_t g = D, w_at = 2 * D, r_at = w ? 3 * D : 2 * D;
  c.C = r_at + (r ? D : 0);
  c.value_count = c.out = D;
  c.draw = [D](int64_t column, Rng& rng) { return column / D == 1 ? -std::abs(rng.normal()) : rng.normal(); };
  c.op = [=](Ctx& ctx, Var x, const WeightTable&) {
    GlrChannel in{ops::split(ctx, x, 0, D), ops::split(ctx, x, g, D)};
    if (w) in.w = ops::split(ctx, x, w_at, D);
    if (r) in.r = ops::split(ctx, x, r_at, D);
    return ops::glr(ctx, in);
  };
  if (!w) c.empty_paths.push_back(MixerPath::kWrite);
  if (!r) c.empty_paths.push_back(MixerPath::kRead);
  return c;
}

// shift is added to the keys: far from zero the running maximum keeps everything finite.
MixerCase wkv4_case(int64_t D, double shift) {
  MixerCase c;
  c.name = fmt::format("wkv4 {}", shift);
  c.C = 2 * D;
  c.value_first = D;
  c.value_count = c.out = D;
  c.draw = [=](int64_t column, Rng& rng) { return rng.normal() + (column < D ? shift : 0); };
  c.declare = [=](WeightTable& t) {
    t.add("time_decay", {D}, Init::normal(1));
    t.add("time_first", {D}, Init::normal(1));
  };
  c.op = [=](Ctx& ctx, Var x, const WeightTable& w) {
    return ops::glr(ctx, GlrWkv4{ops::split(ctx, x, 0, D), ops::split(ctx, x, D, D), &w[0], &w[1]});
  };
  c.empty_paths = {MixerPath::kDecay, MixerPath::kRead, MixerPath::kGate};
  return c;
}

struct MlstmSizes {
  int64_t H, K, V;
  int64_t q() const { return 0; }
  int64_t k() const { return H * K; }
  int64_t v() const { return 2 * H * K; }
  int64_t f() const { return v() + H * V; }
  int64_t i() const { return f() + H; }
};

MixerCase mlstm_case(const MlstmSizes& s, double shift, double eps) {
  MixerCase c;
  c.name = fmt::format("mlstm {} {}", shift, eps);
  c.C = s.i() + s.H;
  c.value_first = s.v();
  c.value_count = c.out = s.H * s.V;
  c.draw = [=](int64_t column, Rng& rng) {
    const double z = rng.normal();
    return column >= s.i() ? z + shift : column >= s.f() ? -std::abs(z) - 0.01 : z;
  };
  c.op = [=](Ctx& ctx, Var x, const WeightTable&) {
    GlrMlstm in{s.H,
                s.K,
                s.V,
                ops::split(ctx, x, s.q(), s.H * s.K),
                ops::split(ctx, x, s.k(), s.H * s.K),
                ops::split(ctx, x, s.v(), s.H * s.V),
                ops::split(ctx, x, s.f(), s.H),
                ops::split(ctx, x, s.i(), s.H)};
    in.scale = 0.6;
    in.eps = eps;
    return ops::glr(ctx, in);
  };
  return c;
}

std::vector<MixerCase> all_cases() {
  return {channel_case("v g", 3, false, false),   channel_case("v g w", 5, true, false),
          channel_case("v g w r", 2, true, true), wkv4_case(3, 0),
          mlstm_case({2, 3, 2}, 0, 1e-6),         mlstm_case({1, 2, 3}, 1, 0.3)};
}

TEST(GlrChannel, GradientsAgreeWithFiniteDifferences) {
  for (const MixerCase& c : all_cases()) mixer_test::check_gradients(c, 6, tol::kOpDifference);
}

TEST(GlrChannel, AnySplitGivesTheSame) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op, tol::kF64Op.times(10));
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op, tol::kF32Op.times(10));
  }
}

TEST(GlrChannel, PathsAddUp) {
  for (const MixerCase& c : all_cases()) {
    mixer_test::check_paths(c, DType::kF64, tol::kF64Op);
    mixer_test::check_paths(c, DType::kF32, tol::kF32Op);
    mixer_test::check_paths_over_chunks(c);
  }
}

TEST(GlrChannel, RecomputationChangesNothing) {
  for (const MixerCase& c : all_cases()) mixer_test::check_recompute(c, DType::kF32);
}

TEST(GlrChannel, FrozenAdjointIsTheImplicitAttentionTransposed) {
  for (const MixerCase& c : all_cases()) mixer_test::check_value_path(c);
}

TEST(GlrChannel, SinglePrecisionFollowsDouble) {
  for (const MixerCase& c : all_cases()) mixer_test::check_single_precision(c, 100);
}

// Softmax over the past of k_i + (t-1-i) w, the present at k_t + u: the definition, in the log domain.
TEST(GlrChannel, Wkv4IsFiniteFarFromZero) {
  for (const double shift : {-100.0, 0.0, 100.0}) {
    const MixerCase c = wkv4_case(3, shift);
    const int64_t T = 20, D = 3;
    Mixer m(c, DType::kF64);
    const std::vector<float> x = m.features(T, 4);
    std::vector<double> want(static_cast<size_t>(T * D));
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t d = 0; d < D; ++d) {
        const double w = -std::exp(m.table[0].as<double>()[d]), u = m.table[1].as<double>()[d];
        double num = 0, den = 0;
        for (int64_t i = 0; i <= t; ++i) {
          const double e = std::exp(static_cast<double>(x[static_cast<size_t>(i * c.C + d)]) - shift +
                                    (i == t ? u : static_cast<double>(t - 1 - i) * w));
          num += e * static_cast<double>(x[static_cast<size_t>(i * c.C + D + d)]);
          den += e;
        }
        want[static_cast<size_t>(t * D + d)] = num / den;
      }
    }
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const Mixer one(c, dtype);
      Ctx ctx(one.input(x), one.options(false));
      EXPECT_TRUE(agree(one.copy(ctx, c.op(ctx, ops::embedding(ctx, one.table[2 + 1]), one.table), false), want,
                        dtype == DType::kF64 ? tol::kF64Op : tol::kF32Op.times(2)))
          << "wkv4";
    }
    mixer_test::check_gradients(c, 5, tol::kOpDifference);
    mixer_test::check_splits(c, DType::kF32, tol::kF32Op.times(20), tol::kF32Op.times(100));
  }
}

// sum_j exp(F_t - F_j + i_j) (q k_j) v_j over max(|the same without v|, 1) + eps exp(m).
TEST(GlrChannel, MlstmIsFiniteFarFromZero) {
  const MlstmSizes s{2, 3, 2};
  for (const double shift : {-100.0, 0.0, 100.0}) {
    const MixerCase c = mlstm_case(s, shift, 1e-6);
    const int64_t T = 15;
    const Mixer m(c, DType::kF64);
    const std::vector<float> x = m.features(T, 4);
    const auto at = [&](int64_t t, int64_t column) {
      return static_cast<double>(x[static_cast<size_t>(t * c.C + column)]);
    };
    std::vector<double> want(static_cast<size_t>(T * s.H * s.V));
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t h = 0; h < s.H; ++h) {
        double F = 0, top = -1e300, n = 0;
        std::vector<double> num(static_cast<size_t>(s.V), 0), log_weight(static_cast<size_t>(t + 1));
        for (int64_t j = t; j >= 0; --j) {
          log_weight[static_cast<size_t>(j)] = F + at(j, s.i() + h);
          top = std::max(top, log_weight[static_cast<size_t>(j)]);
          F += at(j, s.f() + h);
        }
        top = std::max(top, F);  // the maximum runs from 0
        for (int64_t j = 0; j <= t; ++j) {
          double qk = 0;
          for (int64_t k = 0; k < s.K; ++k) qk += at(t, s.q() + h * s.K + k) * at(j, s.k() + h * s.K + k) * 0.6;
          const double e = std::exp(log_weight[static_cast<size_t>(j)] - top) * qk;
          n += e;
          for (int64_t v = 0; v < s.V; ++v) num[static_cast<size_t>(v)] += e * at(j, s.v() + h * s.V + v);
        }
        for (int64_t v = 0; v < s.V; ++v) {
          want[static_cast<size_t>((t * s.H + h) * s.V + v)] =
              num[static_cast<size_t>(v)] / (std::max(std::abs(n), std::exp(-top)) + 1e-6);
        }
      }
    }
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const Mixer one(c, dtype);
      Ctx ctx(one.input(x), one.options(false));
      EXPECT_TRUE(agree(one.copy(ctx, c.op(ctx, ops::embedding(ctx, one.table[1]), one.table), false), want,
                        dtype == DType::kF64 ? tol::kF64Op : tol::kF32Op.times(10)))
          << "mlstm";
    }
    mixer_test::check_gradients(c, 5, tol::kOpDifference.times(10));
    mixer_test::check_splits(c, DType::kF64, tol::kF64Op.times(10), tol::kF64Op.times(100));
    const mixer_test::Result r = Mixer(c, DType::kF32).run(m.input(x), training_rules());
    for (double d : r.dx) ASSERT_TRUE(std::isfinite(d));
  }
}

// Divisor times output is the row of alpha times the values: what maps of a normalised recurrence rest on.
TEST(GlrChannel, DetailReproducesTheOutput) {
  MixerCase c = wkv4_case(2, 3);
  int seen = 0;
  c.inspect = [&](Ctx& ctx) {
    for (const OpNode& node : ctx.nodes()) {
      const auto* d = dynamic_cast<const ChannelDetail<double>*>(node.mixer.get());
      if (d == nullptr) continue;
      ++seen;
      const int64_t T = d->dims.T, D = d->dims.D;
      std::vector<double> w(static_cast<size_t>(T * D), 0), row(w.size()), carry(static_cast<size_t>(D), 0);
      for (int64_t i = 0; i < D; ++i) w[static_cast<size_t>((T - 1) * D + i)] = 1;
      kernels::glr::channel_row_times(d->dims, d->coeffs, w.data(), carry.data(), row.data());
      for (int64_t i = 0; i < D; ++i) {
        double y = 0;
        for (int64_t t = 0; t < T; ++t) y += row[static_cast<size_t>(t * D + i)] * d->v[t * D + i];
        EXPECT_TRUE(agree(y / d->divisor[(T - 1) * D + i], d->y[(T - 1) * D + i], tol::kF64Absolute));
      }
    }
  };
  const Mixer m(c, DType::kF64);
  m.run(m.input(m.features(7, 2)), exact_rules());
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace hindscan
