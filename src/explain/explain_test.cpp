#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/report.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

// Parts add up to the target: in double, in float.
Tolerance complete(DType dtype) { return dtype == DType::kF64 ? tol::kF64Complete : tol::kF32Complete; }

void expect_same_report(const ExplainReport& a, const ExplainReport& b, const Tolerance& t) {
  ASSERT_FALSE(a.methods.empty());
  ASSERT_EQ(a.methods.size(), b.methods.size());
  for (size_t m = 0; m < a.methods.size(); ++m) {
    for (size_t f = 0; f < a.methods[m].maps.size(); ++f) {
      EXPECT_TRUE(agree(a.methods[m].maps[f].scores, b.methods[m].maps[f].scores, t)) << a.methods[m].name;
    }
    ASSERT_TRUE(agree(a.methods[m].bias_share, b.methods[m].bias_share, t.times(10).absolute()));
    ASSERT_TRUE(agree(a.methods[m].skip_share, b.methods[m].skip_share, t.times(10).absolute()));
    for (size_t s = 0; s < a.methods[m].shares.size(); ++s) {
      ASSERT_TRUE(agree(a.methods[m].shares[s].value, b.methods[m].shares[s].value, t.times(10).absolute()))
          << a.methods[m].shares[s].name;
    }
  }
}

class Lengths : public ::testing::TestWithParam<std::tuple<DType, int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(All, Lengths,
                         ::testing::Combine(::testing::Values(DType::kF64, DType::kF32),
                                            ::testing::Values(1, 2, 17, 63, 130), ::testing::Values(1, 7, 64, 2000)));

TEST_P(Lengths, FrozenAddsUpToTheTarget) {
  const auto [dtype, T, chunk] = GetParam();
  const Model model = tiny_model(dtype);
  ExplainRequest r = request_for(distinct_tokens(T), chunk);
  r.methods = {Method::kFrozen};
  const ExplainReport report = explain(model, r);
  const MethodReport& m = report.methods[0];
  ASSERT_TRUE(m.target_value && m.residual);
  EXPECT_TRUE(agree(*m.target_value, report.target.logit - report.target.contrast_logit, tol::kF64Ulp));
  const double sum = std::accumulate(m.scores().begin(), m.scores().end(), 0.0);
  EXPECT_TRUE(agree(m.sum, sum, tol::kF64Sum.times(0.1)));
  EXPECT_TRUE(
      agree(sum + m.initial_state_share + m.bias_share + *m.residual, *m.target_value, tol::kF64Sum.times(0.1)));
  EXPECT_TRUE(agree(*m.target_value - *m.residual, *m.target_value, complete(dtype)));
  EXPECT_NE(m.bias_share, 0.0);
  EXPECT_NE(m.skip_share, 0.0);
}

TEST_P(Lengths, ChunksDoNotChangeTheResult) {
  const auto [dtype, T, chunk] = GetParam();
  const Model model = tiny_model(dtype);
  const ExplainReport whole = explain(model, request_for(distinct_tokens(T))),
                      split = explain(model, request_for(distinct_tokens(T), chunk));
  expect_same_report(whole, split, dtype == DType::kF64 ? tol::kF64Scores : tol::kF32Scores.times(1.5));
}

TEST_P(Lengths, LayersAreComplete) {
  const auto [dtype, T, chunk] = GetParam();
  const ExplainReport report = explain(tiny_model(dtype), request_for(distinct_tokens(T), chunk));
  ASSERT_EQ(report.layers.size(), 3u);
  for (const LayerReport& layer : report.layers) {
    EXPECT_LE(layer.max_residual, dtype == DType::kF64 ? 1e-12 : 1e-5) << layer.layer;
    EXPECT_LE(layer.target_residual, dtype == DType::kF64 ? 1e-12 : 1e-5) << layer.layer;
    EXPECT_EQ(layer.kind, "glr.element");
  }
}

double target_value(const Model& model, const std::vector<int32_t>& tokens, const TargetReport& like) {
  ExplainRequest r = request_for(tokens);
  r.methods = {Method::kRollout};
  r.target_id = like.id;
  r.contrast = Contrast::kId;
  r.contrast_id = *like.contrast_id;
  return explain(model, r).target.value();
}

TEST(GradientXInput, EqualsFiniteDifferencesOfTheEmbeddings) {
  Model model = tiny_model(DType::kF64);
  for (int64_t T : {1, 2, 17}) {
    const std::vector<int32_t> tokens = distinct_tokens(T);
    ExplainRequest r = request_for(tokens, 5);
    r.methods = {Method::kGradientXInput};
    const ExplainReport report = explain(model, r);
    Weight& table = *model.weights().find(embedding_table(model).name);
    const int64_t C = table.cols();
    for (int64_t j = 0; j < T; ++j) {
      double* row = static_cast<double*>(table.data) + tokens[static_cast<size_t>(j)] * C;
      double score = 0;
      for (int64_t c = 0; c < C; ++c) {
        const double keep = row[c], step = 1e-6;
        row[c] = keep + step;
        const double up = target_value(model, tokens, report.target);
        row[c] = keep - step;
        const double down = target_value(model, tokens, report.target);
        row[c] = keep;
        const double slope = (up - down) / (2 * step), got = report.methods[0].adjoint[static_cast<size_t>(j * C + c)];
        ASSERT_TRUE(agree(got, slope, tol::kCentralDifference)) << "T " << T << " token " << j;
        score += keep * slope;
      }
      ASSERT_TRUE(agree(report.methods[0].scores()[static_cast<size_t>(j)], score, tol::kCentralDifference));
    }
  }
}

TEST(GradientXInput, PathSharesAddUpToTheExactGradientAtEveryMixer) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    const std::vector<int32_t> tokens = distinct_tokens(63);
    ExplainRequest r = request_for(tokens, 11);
    r.methods = {Method::kGradientXInput};
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
          for (size_t p = 0; p < kMixerPaths; ++p) split += static_cast<double>(m.paths[(p * 3 + l) * 63 + t]);
          ASSERT_TRUE(agree(split, exact, bar)) << "layer " << l << " token " << t;
          ASSERT_TRUE(agree(static_cast<double>(m.maps[0].layers[l * 63 + t]), exact, bar));
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
        for (size_t l = 0; l < 3; ++l) selection += static_cast<double>(m.paths[(p * 3 + l) * 63 + t]);
      }
      ASSERT_TRUE(agree(m.selection[t], selection, tol::kKeptAsFloat.times(10)));
    }
    for (size_t p = 0; p < kMixerPaths; ++p) {
      EXPECT_NE(m.shares[p].value, 0.0) << m.shares[p].name;
      const double total = std::accumulate(m.paths.begin() + static_cast<int64_t>(p * 189),
                                           m.paths.begin() + static_cast<int64_t>((p + 1) * 189), 0.0);
      EXPECT_TRUE(agree(m.shares[p].value, total, tol::kKeptAsFloat.times(10)));
    }
  }
}

TEST(RowAndRollout, EqualExplicitMatrices) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    for (int64_t T : {1, 2, 17, 63}) {
      const Model model = tiny_model(dtype), reference = tiny_model(DType::kF64);
      const std::vector<int32_t> tokens = distinct_tokens(T);
      const ExplainReport report = explain(model, request_for(tokens, 9));
      const MethodReport &row = method_of(report, Method::kRow), &rollout = method_of(report, Method::kRollout);
      Recorded pass(reference, tokens);
      const size_t n = static_cast<size_t>(T);
      std::vector<double> r(n, 0.0), mean_core(n, 0.0), mean_mixer(n, 0.0);
      r.back() = 1;
      const auto same = [](double v) { return v; };
      const auto views = mixer_views<double>(pass.ctx);
      for (size_t l = 3; l-- > 0;) {
        const ElementView<double>& view = element_view(views, l);
        const std::vector<double> core = channel_mean(brute_alpha(view), T, same),
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
          ASSERT_TRUE(agree(static_cast<double>(row.maps[0].layers[l * n + j]), a, tol::kF32Shares))
              << "core, layer " << l;
          ASSERT_TRUE(agree(static_cast<double>(row.maps[1].layers[l * n + j]), b, tol::kF32Shares))
              << "mixer, layer " << l;
        }
      }
      const Tolerance bar = dtype == DType::kF64 ? tol::kMeanOfFloats : tol::kF32Scores;
      EXPECT_TRUE(agree(rollout.scores(), r, dtype == DType::kF64 ? tol::kF64Scores : tol::kF32Scores)) << "rollout";
      EXPECT_TRUE(agree(row.maps[0].scores, mean_core, bar)) << "row core";
      EXPECT_TRUE(agree(row.maps[1].scores, mean_mixer, bar)) << "row mixer";
      EXPECT_FALSE(row.residual || row.target_value || rollout.residual || rollout.target_value);
    }
  }
}

TEST(State, AContinuedTextExplainsItsTailAsTheWholeDoes) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    const std::vector<int32_t> tokens = distinct_tokens(130);
    const SequenceState state = state_after(model, std::span(tokens).first(57));
    ExplainRequest tail = request_for({tokens.begin() + 57, tokens.end()}, 20);
    tail.state_in = &state;
    const ExplainReport whole = explain(model, request_for(tokens)), part = explain(model, tail);
    const Tolerance bar = dtype == DType::kF64 ? tol::kF64Scores.times(10) : tol::kF32Scores.times(2.5);
    EXPECT_EQ(whole.target.id, part.target.id);
    for (size_t m = 0; m < whole.methods.size(); ++m) {
      for (size_t f = 0; f < whole.methods[m].maps.size(); ++f) {
        const std::vector<double>& all = whole.methods[m].maps[f].scores;
        EXPECT_TRUE(agree(std::vector<double>{all.begin() + 57, all.end()}, part.methods[m].maps[f].scores, bar))
            << whole.methods[m].name;
      }
    }
    const MethodReport& frozen = method_of(part, Method::kFrozen);
    EXPECT_NE(frozen.initial_state_share, 0.0);
    EXPECT_TRUE(agree(*frozen.target_value - *frozen.residual, *frozen.target_value, complete(dtype)));
    EXPECT_EQ(part.layers.size(), 3u);
    for (const LayerReport& layer : part.layers) EXPECT_LE(layer.max_residual, dtype == DType::kF64 ? 1e-11 : 1e-5);
  }
}

TEST(Target, LaterTokensDoNotExist) {
  const Model model = tiny_model(DType::kF32);
  std::vector<int32_t> tokens = distinct_tokens(130);
  ExplainRequest r = request_for(tokens, 16);
  r.target = 40;
  const ExplainReport inside = explain(model, r);
  const ExplainReport shorter = explain(model, request_for({tokens.begin(), tokens.begin() + 41}, 16));
  ASSERT_EQ(inside.tokens.size(), 130u);
  for (size_t m = 0; m < inside.methods.size(); ++m) {
    const std::vector<double>&a = inside.methods[m].scores(), &b = shorter.methods[m].scores();
    ASSERT_EQ(a.size(), 130u);
    for (size_t j = 0; j < 130; ++j) ASSERT_EQ(a[j], j <= 40 ? b[j] : 0.0) << inside.methods[m].name << " " << j;
  }
  r.target = 40 - 130;
  EXPECT_EQ(explain(model, r).target.position, 40);
}

TEST(Target, ContrastIsTheRunnerUpUnlessAskedFor) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(17));
  r.methods = {Method::kFrozen};
  const ExplainReport chosen = explain(model, r);
  SequenceState state;
  Runner runner(model);
  const std::span<const float> logits = runner.step(r.tokens, state);
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  EXPECT_EQ(static_cast<size_t>(chosen.target.id), order[0]);
  EXPECT_EQ(static_cast<size_t>(*chosen.target.contrast_id), order[1]);
  EXPECT_TRUE(agree(chosen.target.logit, static_cast<double>(logits[order[0]]), tol::kF32Shares.times(0.5)));
  double sum = 0;
  for (float v : logits) sum += std::exp(static_cast<double>(v));
  EXPECT_TRUE(agree(chosen.target.probability, std::exp(static_cast<double>(logits[order[0]])) / sum,
                    tol::kF32Shares.times(0.5)));

  r.contrast = Contrast::kNone;
  const ExplainReport plain = explain(model, r);
  EXPECT_FALSE(plain.target.contrast_id);
  EXPECT_TRUE(agree(*plain.methods[0].target_value, plain.target.logit, tol::kF64Ulp));
  EXPECT_TRUE(agree(*plain.methods[0].residual, 0, tol::kF64Absolute.times(100)));

  r.contrast = Contrast::kId;
  r.contrast_id = static_cast<int32_t>(order[7]);
  r.target_id = static_cast<int32_t>(order[3]);
  const ExplainReport named = explain(model, r);
  EXPECT_TRUE(agree(named.target.value(), static_cast<double>(logits[order[3]] - logits[order[7]]),
                    tol::kF32Shares.times(0.5)));

  r.contrast = Contrast::kAuto;
  EXPECT_EQ(static_cast<size_t>(*explain(model, r).target.contrast_id), order[0]);
}

TEST(Request, IsChecked) {
  const Model model = tiny_model(DType::kF32);
  const auto code = [&](auto&& change) {
    ExplainRequest r = request_for(distinct_tokens(5));
    change(r);
    try {
      explain(model, r);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code([](ExplainRequest& r) { r.tokens.clear(); }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target = 5; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target = -6; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.tokens[2] = 160; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target_id = 160; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.chunk = 0; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.mem_limit = 1000; }), ErrorCode::kResource);
  EXPECT_THROW(parse_methods("row,lime"), Error);
  EXPECT_EQ(parse_methods("frozen,row"), (std::vector<Method>{Method::kFrozen, Method::kRow}));
  EXPECT_EQ(parse_methods("all").size(), 4u);
}

TEST(Request, ChunksShrinkToTheMemoryLimit) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(130));
  r.mem_limit = 512 * 1024;
  const ExplainReport report = explain(model, r);
  EXPECT_LT(report.chunk, 130);
  EXPECT_GE(report.chunk, 16);
  expect_same_report(explain(model, request_for(r.tokens)), report, tol::kF32Scores.times(1.5));
}

TEST(Report, JsonHasTheSchemasFields) {
  const ExplainReport report = explain(tiny_model(DType::kF32), request_for(distinct_tokens(6)));
  const Json json = to_json(report);
  EXPECT_EQ(json.find("schema")->as_string(), "hindscan.explain/2");
  for (const char* key : {"model", "tokens", "target", "methods", "layers", "seconds", "peak_bytes"})
    EXPECT_NE(json.find(key), nullptr) << key;
  EXPECT_EQ(json.find("tokens")->items().size(), 6u);
  for (const Json& m : json.find("methods")->items()) {
    for (const char* key : {"name", "scores", "shares", "target_value", "sum", "initial_state_share", "bias_share",
                            "skip_share", "residual", "causal"}) {
      EXPECT_NE(m.find(key), nullptr) << key;
    }
    EXPECT_EQ(m.find("scores")->items().size(), 6u);
    EXPECT_EQ(m.find("residual")->is_null(), m.find("name")->as_string() != "frozen");
  }
  EXPECT_EQ(json.find("methods")->items()[2].find("shares")->members().size(), 5u);
  EXPECT_EQ(json.find("layers")->items().size(), 3u);
  EXPECT_EQ(json.find("methods")->items()[0].find("maps")->items()[1].find("layers")->items().size(), 3u);
  EXPECT_EQ(to_json(report, false).find("methods")->items()[3].find("maps")->items().size(), 0u);
}

}  // namespace
}  // namespace hindscan
