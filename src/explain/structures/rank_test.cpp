// Maps of the recurrence with several steps a token, against what driving one write at a time through the op gives.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/gate.h"
#include "core/ops/glr_rank.h"
#include "core/ops/mixer_case_test_support.h"
#include "explain/mixer_view.h"

namespace hindscan {
namespace {

constexpr int64_t kT = 17, kH = 2, kK = 3, kV = 4, kSteps = 3, kKey = kSteps * kH * kK, kValue = kSteps * kH * kV;

// Columns: k, c, b, v, s, d, q, g, gate. The values pass SiLU before the recurrence, the output a gate after it.
struct Columns {
  int64_t k = 0, c = kKey, b = 2 * kKey, v = 3 * kKey, s = v + kValue, d = s + kSteps * kH, q = d + kValue,
          g = q + kH * kK, gate = g + kH * kK, all = gate + kH * kV;
};
constexpr Columns kAt;

mixer_test::MixerCase rank_case(std::function<void(Ctx&)> inspect) {
  mixer_test::MixerCase c;
  c.C = kAt.all;
  c.out = kH * kV;
  c.inspect = std::move(inspect);
  c.draw = [](int64_t column, Rng& rng) {
    const double z = rng.normal();
    if (column >= kAt.g && column < kAt.gate) return -std::abs(z);
    return column >= kAt.b && column < kAt.v ? -0.4 * std::abs(z) : z;
  };
  c.op = [](Ctx& m, Var x, const WeightTable&) {
    const auto cut = [&](int64_t at, int64_t width) { return ops::split(m, x, at, width); };
    GlrRank in{};
    in.heads = kH, in.K = kK, in.V = kV, in.steps = kSteps;
    in.q = cut(kAt.q, kH * kK);
    in.k = cut(kAt.k, kKey);
    in.b = cut(kAt.b, kKey);
    in.c = cut(kAt.c, kKey);
    in.g = cut(kAt.g, kH * kK);
    in.s = cut(kAt.s, kSteps * kH);
    in.d = cut(kAt.d, kValue);
    in.v = m.tap("v", ops::activation(m, kernels::Act::kSilu, cut(kAt.v, kValue)));
    return ops::gate(m, ops::glr(m, in), cut(kAt.gate, kH * kV));
  };
  return c;
}

template <class R>
const RankDetail<R>& rank_detail(const MixerView<R>& view, const Ctx& ctx) {
  return detail_as<RankDetail<R>>(*ctx.nodes()[view.ops().core].mixer);
}

// Runs the pass on features x and shows its mixer; reset: before this token the state is zero.
template <class R = double, class F>
void with_view(const std::vector<float>& x, F&& f, int64_t reset = -1) {
  const mixer_test::Mixer m(rank_case([&](Ctx& ctx) { f(ctx, *mixer_views<R>(ctx)[0]); }),
                            sizeof(R) == 8 ? DType::kF64 : DType::kF32);
  std::vector<uint8_t> resets(kT, 0);
  Input in = m.input(x);
  if (reset >= 0) resets[static_cast<size_t>(reset)] = 1, in.resets = resets;
  m.run(in, frozen_rules());
}

std::vector<float> features() {
  const mixer_test::Mixer m(rank_case([](Ctx&) {}), DType::kF64);
  return m.features(kT, 3);
}

// d y[t, c] / d v[j, i, c], [T, T, steps, H V]: differences from the run without a change, one write of all channels.
std::vector<double> pulses(std::vector<float> x) {
  const auto output = [&] {
    std::vector<double> y, v;
    with_view(x, [&](Ctx& ctx, const MixerView<double>& view) {
      const RankDetail<double>& d = rank_detail(view, ctx);
      y.assign(d.y, d.y + kT * kH * kV);
      v.assign(d.v, d.v + kT * kValue);
    });
    return std::pair(y, v);
  };
  for (int64_t t = 0; t < kT; ++t) std::fill_n(x.begin() + t * kAt.all + kAt.v, kValue, 0.0f);
  std::vector<double> out(static_cast<size_t>(kT * kT * kValue));
  for (int64_t write = 0; write < kT * kSteps; ++write) {
    const auto of_write = x.begin() + write / kSteps * kAt.all + kAt.v + write % kSteps * kH * kV;
    std::fill_n(of_write, kH * kV, 1.0f);
    const auto [y, v] = output();
    std::fill_n(of_write, kH * kV, 0.0f);
    for (int64_t i = 0; i < kT * kH * kV; ++i) {
      const int64_t c = i % (kH * kV), t = i / (kH * kV);
      out[static_cast<size_t>((t * kT * kSteps + write) * kH * kV + c)] =
          y[static_cast<size_t>(i)] / v[static_cast<size_t>(write * kH * kV + c)];
    }
  }
  return out;
}

// f of entry (t, j) of each channel and write, the mean over those of one head or of all.
template <class F>
double reduced(int64_t t, int64_t j, int64_t head, const F& f) {
  double sum = 0, count = 0;
  for (int64_t i = 0; i < kValue; ++i) {
    if (head >= 0 && i % (kH * kV) / kV != head) continue;
    sum += j > t ? 0 : f((t * kT + j) * kValue + i, t * kH * kV + i % (kH * kV), j * kValue + i);
    ++count;
  }
  return sum / count;
}

TEST(RankStructure, RowsArePulsesAndAddUp) {
  const std::vector<float> x = features();
  const std::vector<double> alpha = pulses(x);
  with_view(x, [&](Ctx&, const MixerView<double>& view) {
    EXPECT_EQ(view.maps(), kH);
    EXPECT_EQ(view.writes(), kSteps);
    for (int64_t t = 0; t < kT; ++t) {
      std::vector<double> w(kT), row(kT * kH), mean(kT), want, want_mean, missing(kH * kV), output;
      w[static_cast<size_t>(t)] = 1;
      view.weighted_output(w.data(), missing.data());
      output = missing;
      RowCarry<double> carry, carry_mean;
      view.row(w.data(), carry, row.data(), missing.data());
      view.row_times_mean(w.data(), carry_mean, mean.data());
      for (int64_t j = 0; j < kT; ++j) {
        const auto entry = [&](int64_t i, int64_t, int64_t) { return alpha[static_cast<size_t>(i)]; };
        for (int64_t h = 0; h < kH; ++h) want.push_back(reduced(t, j, h, entry));
        want_mean.push_back(reduced(t, j, -1, entry));
      }
      EXPECT_TRUE(agree(row, want, tol::kF64Rows)) << t;
      EXPECT_TRUE(agree(mean, want_mean, tol::kF64Rows)) << t;
      EXPECT_LT(largest(missing), 1e-12 * largest(output)) << t;
    }
  });
}

// Tiles and block sums; folded: gate of the output and slope of the values as well, channel by channel.
TEST(RankStructure, WindowsArePulses) {
  const std::vector<float> x = features();
  const std::vector<double> alpha = pulses(x);
  const auto gate = [&](int64_t out) {
    return static_cast<double>(x[static_cast<size_t>(out / (kH * kV) * kAt.all + kAt.gate + out % (kH * kV))]);
  };
  const auto slope = [&](int64_t value) {
    return 1 / (1 + std::exp(-static_cast<double>(
                        x[static_cast<size_t>(value / kValue * kAt.all + kAt.v + value % kValue)])));
  };
  with_view(x, [&](Ctx& ctx, const MixerView<double>& view) {
    for (const bool fold : {false, true}) {
      const auto window = view.window(fold, Estimator::kExact);
      window->append(ctx, view.ops(), 0, 6);
      window->append(ctx, view.ops(), 6, kT);
      const TokenRange I{2, kT}, J{1, 9};
      for (const MapKind kind : {MapKind::kMean, MapKind::kAbs, MapKind::kPositive, MapKind::kChannel}) {
        std::vector<double> tile((I.end - I.begin) * (J.end - J.begin), NAN), want;
        window->tile(kind, 1, I, J, tile.data());
        for (int64_t i = I.begin; i < I.end; ++i) {
          for (int64_t j = J.begin; j < J.end; ++j)
            want.push_back(
                reduced(i, j, kind == MapKind::kChannel ? 1 : -1, [&](int64_t at, int64_t out, int64_t value) {
                  const double v = alpha[static_cast<size_t>(at)] * (fold ? gate(out) * slope(value) : 1);
                  return kind == MapKind::kAbs ? std::abs(v) : kind == MapKind::kPositive ? std::max(v, 0.0) : v;
                }));
        }
        EXPECT_TRUE(agree(tile, want, tol::kF64Rows)) << fold << static_cast<int>(kind);
      }
      const int64_t edges[] = {0, 5, 11, kT};
      std::vector<double> sums(9, NAN), want(9);
      EXPECT_FALSE(window->block_sums(MapKind::kAbs, 0, edges, 3, sums.data()));
      ASSERT_EQ(window->block_sums(MapKind::kMean, 0, edges, 3, sums.data()), !fold);
      for (int64_t at = 0; at < kT * kT; ++at) {
        const auto block = [&](int64_t t) -> int64_t { return t < 5 ? 0 : t < 11 ? 1 : 2; };
        want[static_cast<size_t>(block(at / kT) * 3 + block(at % kT))] +=
            reduced(at / kT, at % kT, -1, [&](int64_t i, int64_t, int64_t) { return alpha[static_cast<size_t>(i)]; });
      }
      EXPECT_TRUE(fold || agree(sums, want, tol::kF64Rows));
    }
  });
}

// What is computed once more in a wider type finds a wrong output, and no wrong one where all is right.
template <class R>
void check_residual(double low, double high) {
  with_view<R>(features(), [&](Ctx& ctx, const MixerView<R>& view) {
    std::vector<double> S, residual(kT, NAN);
    view.forward_residual(S, residual.data());
    EXPECT_LT(largest(residual), high);
    R* y = ctx.data<R>(ctx.nodes()[view.ops().core].out);
    for (int64_t i = 7 * kH * kV; i < 8 * kH * kV; ++i) y[i] *= R(1.01);
    S.clear();
    view.forward_residual(S, residual.data());
    EXPECT_GT(residual[7], low);
    residual[7] = 0;
    EXPECT_LT(largest(residual), high);
  });
}
TEST(RankStructure, ResidualsSeeAWrongOutput) {
  check_residual<double>(0.009, 1e-13);
  check_residual<float>(0.009, 1e-5);
}

TEST(RankStructure, NothingGoesPastAReset) {
  for (const int64_t reset : {0, 5}) {
    const auto check = [&](Ctx&, const MixerView<double>& view) {
      std::vector<double> S(kH * kK * kV, 1.0), residual(kT, NAN), change(S), w(kT), row(kT * kH), missing(kH * kV);
      S.clear();
      view.forward_residual(S, residual.data());
      EXPECT_LT(largest(residual), 1e-13) << reset;
      Transition<double> all;
      for (int64_t t = kT; t-- > 0;) ASSERT_TRUE(view.lead(t, all));
      view.carry(all, change.data());
      EXPECT_EQ(largest(change), 0) << reset;
      w.back() = 1;
      RowCarry<double> carry;
      view.row(w.data(), carry, row.data(), missing.data());
      EXPECT_EQ(largest(carry.numbers), 0) << reset;
      for (int64_t i = 0; i < kT * kH; ++i) EXPECT_EQ(row[static_cast<size_t>(i)] != 0, i / kH >= reset) << i;
    };
    with_view(features(), check, reset);
  }
}

// With its diagonals a window takes more than without.
TEST(RankStructure, AWindowCountsAllItKeeps) {
  with_view(features(), [](Ctx& ctx, const MixerView<double>& view) {
    const auto window = view.window(false, Estimator::kExact);
    window->append(ctx, view.ops(), 0, kT);
    const int64_t key = kH * kK, step = 4 * key + kH * kK + kH + kH * kV;  // q, k, b, c; g; s; d
    EXPECT_EQ(window->bytes(), static_cast<size_t>(kT * kSteps * step) * sizeof(double));
  });
}

}  // namespace
}  // namespace hindscan
