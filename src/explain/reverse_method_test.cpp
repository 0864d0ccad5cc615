// gradient-x-input against finite differences and its own paths, row and rollout against explicit matrices.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/report.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

TEST(GradientXInput, EqualsFiniteDifferencesOfTheEmbeddings) {
  Model model = tiny_model(DType::kF64);
  for (int64_t T : {1, 2, 17}) {
    const std::vector<int32_t> tokens = distinct_tokens(T);
    ExplainRequest r = request_for(tokens, 5);
    r.methods = parse_methods("gradient-x-input");
    const ExplainReport report = explain(model, r);
    Weight& table = *model.weights().find(embedding_table(Recorded(model, std::vector<int32_t>{0}).ctx)->name);
    const int64_t C = table.cols();
    for (int64_t j = 0; j < T; ++j) {
      double* row = static_cast<double*>(table.data) + tokens[static_cast<size_t>(j)] * C;
      double score = 0;
      for (int64_t c = 0; c < C; ++c) {
        const double keep = row[c], step = 1e-6;
        row[c] = keep + step;
        const double up = value_of(model, tokens, report.target);
        row[c] = keep - step;
        const double down = value_of(model, tokens, report.target);
        row[c] = keep;
        const double slope = (up - down) / (2 * step), got = report.methods[0].adjoint[static_cast<size_t>(j * C + c)];
        ASSERT_TRUE(agree(got, slope, tol::kCentralDifference)) << "T " << T << " token " << j;
        score += keep * slope;
      }
      ASSERT_TRUE(agree(report.methods[0].scores()[static_cast<size_t>(j)], score, tol::kCentralDifference));
    }
  }
}

TEST(GradientXInput, TheShareOfTheStateIsTheDerivativeAlongIt) {
  const Model model = tiny_model(DType::kF64);
  const std::vector<int32_t> tokens = distinct_tokens(30);
  const SequenceState before = state_after(model, std::span(tokens).first(20));
  ExplainRequest r = request_for({tokens.begin() + 20, tokens.end()}, 4);
  r.methods = parse_methods("gradient-x-input");
  r.state_in = &before;
  const ExplainReport report = explain(model, r);
  r.target_id = report.target.id;
  r.contrast = Contrast::kId;
  r.contrast_id = *report.target.contrast_id;
  const auto value_at = [&](double along) {
    SequenceState state = before;
    for (const auto& [name, slot] : before.slots()) {
      double* to = static_cast<double*>(state.put(name, slot.shape, slot.dtype));
      const double* from = reinterpret_cast<const double*>(slot.bytes.data());
      for (size_t i = 0; i < slot.bytes.size() / sizeof(double); ++i) to[i] = along * from[i];
    }
    r.state_in = &state;
    return explain(model, r).target.value();
  };
  const double step = 1e-6, slope = (value_at(1 + step) - value_at(1 - step)) / (2 * step);
  EXPECT_GT(std::abs(slope), 1e-3);
  EXPECT_TRUE(agree(report.methods[0].total().state, slope, tol::kCentralDifference));
}

TEST(GradientXInput, PathSharesAddUpToTheExactGradientAtEveryMixer) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    const std::vector<int32_t> tokens = distinct_tokens(63);
    ExplainRequest r = request_for(tokens, 11);
    r.methods = parse_methods("gradient-x-input");
    const ExplainReport report = explain(model, r);
    const MethodReport& m = report.methods[0];
    const auto check_against = [&]<class R>(R) {
      Recorded pass(model, tokens);
      const std::vector<double> seed = target_seed(model, report.target);
      R* dh = pass.ctx.grad<R>(pass.h);
      std::copy(seed.begin(), seed.end(), dh + 62 * static_cast<int64_t>(seed.size()));
      pass.ctx.backward(exact_rules());
      const Tolerance bar = dtype == DType::kF64 ? tol::kKeptAsFloat : tol::kKeptAsFloat.times(100);
      for (size_t l = 0; l < 3; ++l) {
        const Var in = pass.ctx.mixers()[l].in;
        for (size_t t = 0; t < 63; ++t) {
          double exact = 0, split = 0;
          for (int64_t c = 0; c < pass.ctx.cols(in); ++c) {
            const size_t i = t * static_cast<size_t>(pass.ctx.cols(in)) + static_cast<size_t>(c);
            exact += static_cast<double>(pass.ctx.data<R>(in)[i]) * static_cast<double>(pass.ctx.grad<R>(in)[i]);
          }
          for (size_t p = 0; p < kMixerPaths; ++p) split += static_cast<double>(path_of(m, p)[l * 63 + t]);
          ASSERT_TRUE(agree(split, exact, bar)) << "layer " << l << " token " << t;
          ASSERT_TRUE(agree(static_cast<double>(m.layers()[l * 63 + t]), exact, bar));
        }
      }
    };
    if (dtype == DType::kF64)
      check_against(double{});
    else
      check_against(float{});
    for (size_t t = 0; t < 63; ++t) {
      double selection = 0;
      for (size_t p = 1; p < kMixerPaths; ++p) {
        for (size_t l = 0; l < 3; ++l) selection += static_cast<double>(path_of(m, p)[l * 63 + t]);
      }
      ASSERT_TRUE(agree(m.find("selection")->tokens()[t], selection, tol::kKeptAsFloat.times(10)));
    }
    for (size_t p = 0; p < kMixerPaths; ++p) {
      EXPECT_NE(m.shares[p].value, 0.0) << m.shares[p].name;
      const std::span<const float> path = path_of(m, p);
      const double total = std::accumulate(path.begin(), path.end(), 0.0);
      EXPECT_TRUE(agree(m.shares[p].value, total, tol::kKeptAsFloat.times(10)));
    }
    EXPECT_TRUE(m.total().has_adjoint);
    EXPECT_FALSE(m.find("selection")->has_adjoint) << "its parts have adjoints of their own, which are not kept";
  }
}

TEST(RowAndRollout, EqualExplicitMatrices) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    for (int64_t T : {1, 2, 17, 63}) {
      const Model model = tiny_model(dtype), reference = tiny_model(DType::kF64);
      const std::vector<int32_t> tokens = distinct_tokens(T);
      const ExplainReport report = explain(model, request_for(tokens, 9));
      const MethodReport &row = method_of(report, "row"), &rollout = method_of(report, "rollout");
      Recorded pass(reference, tokens);
      const size_t n = static_cast<size_t>(T);
      std::vector<double> r(n, 0.0), mean_core(n, 0.0), mean_mixer(n, 0.0);
      r.back() = 1;
      const auto same = [](double v) { return v; };
      const auto views = mixer_views<double>(pass.ctx);
      for (size_t l = 3; l-- > 0;) {
        const MixerView<double>& view = *views[l];
        const std::vector<double> core = channel_mean(brute_alpha(pass.ctx, view), T, same),
                                  mixer = channel_mean(brute_mixer(pass.ctx, view), T, same);
        std::vector<double> next = r;
        for (size_t i = 0; i < n; ++i) {
          for (size_t j = 0; j <= i; ++j) next[j] += r[i] * core[i * n + j];
        }
        r = next;
        for (size_t j = 0; j < n; ++j) {
          const double a = core[(n - 1) * n + j], b = mixer[(n - 1) * n + j];
          mean_core[j] += a / 3;
          mean_mixer[j] += b / 3;
          ASSERT_TRUE(agree(static_cast<double>(row.layers()[l * n + j]), a, tol::kF32Shares)) << "core, layer " << l;
          ASSERT_TRUE(agree(static_cast<double>(row.find("mixer", true)->layers()[l * n + j]), b, tol::kF32Shares))
              << "mixer, layer " << l;
        }
      }
      const Tolerance bar = dtype == DType::kF64 ? tol::kMeanOfFloats : tol::kF32Scores;
      EXPECT_TRUE(agree(rollout.scores(), r, dtype == DType::kF64 ? tol::kF64Scores : tol::kF32Scores)) << "rollout";
      EXPECT_TRUE(agree(row.scores(), mean_core, bar)) << "row core";
      EXPECT_TRUE(agree(row.find("mixer")->tokens(), mean_mixer, bar)) << "row mixer";
      EXPECT_FALSE(row.total().completeness || rollout.total().completeness);
    }
  }
}

}  // namespace
}  // namespace hindscan
