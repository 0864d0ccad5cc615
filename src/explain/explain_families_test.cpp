// Every architecture: decompositions add up, chunks do not matter, a continued text is explained as the whole is.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/explain_plan.h"
#include "explain/families_test_support.h"
#include "explain/method.h"
#include "explain/orders.h"
#include "explain/target.h"

namespace hindscan {
namespace {

class Families : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(all_cases()), [](const auto& name) { return name.param; });

TEST_P(Families, FrozenAddsUpAndLayersAreComplete) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const bool f64 = dtype == DType::kF64;
    const Model model = random_model(config_of(GetParam()), dtype);
    const ExplainReport report = explain(model, request_of(model, 2000));
    const MethodReport& frozen = method_of(report, "frozen");
    ASSERT_TRUE(frozen.total().completeness);
    const auto [target, residual] = *frozen.total().completeness;
    EXPECT_TRUE(agree(target - residual, target, f64 ? tol::kF64Complete : tol::kF32Complete));
    EXPECT_GT(largest(frozen.scores()), 1e-6);
    EXPECT_FALSE(report.layers.empty());
    for (const MethodReport& m : report.methods) {
      EXPECT_NE(m.words, "") << "no plain words for " << m.name;
      EXPECT_EQ(m.total().completeness.has_value(), parse_methods(m.name)[0].info().adds_up) << m.name;
    }
    for (const LayerReport& layer : report.layers) {
      EXPECT_LE(layer.max_residual, f64 ? 1e-12 : 2e-5) << layer.structure.kind << " in layer " << layer.layer;
      EXPECT_LE(layer.target_residual, f64 ? 1e-12 : 2e-5) << layer.structure.kind << " in layer " << layer.layer;
      EXPECT_TRUE(f64 || layer.target_residual > 0) << "a row of floats rounds: " << layer.structure.kind;
      EXPECT_NE(layer.structure.words, "") << "no plain words for " << layer.structure.kind;
      EXPECT_EQ(layer.structure.notes.empty(), layer.structure.held.empty()) << layer.structure.notes;
    }
  }
}

// The recurrence once more by the kernel that ran would leave nothing at all.
TEST_P(Families, ResidualOfADoublePassIsNotMeasuredByTheKernelThatRan) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Recorded pass(model, request_of(model, 2000));
  const auto views = mixer_views<double>(pass.ctx);
  ASSERT_FALSE(views.empty());
  const ExplainReport report = explain(model, request_of(model, 2000));
  ASSERT_EQ(report.layers.size(), views.size());
  for (const auto& view : views) {
    if (view->reads_itself()) continue;  // nothing independent to compare with
    std::vector<double> state, residual(static_cast<size_t>(view->tokens()));
    view->forward_residual(state, residual.data());
    EXPECT_GT(largest(residual), 0) << view->name().kind << " in layer " << view->layer;
    EXPECT_LT(largest(residual), 1e-12) << view->name().kind << " in layer " << view->layer;
    EXPECT_GE(report.layers[static_cast<size_t>(&view - views.data())].max_residual, largest(residual));
  }
}

TEST_P(Families, ChunksDoNotChangeTheResult) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().labels > 0) GTEST_SKIP() << "this model judges whole texts: no token is predicted";
  const ExplainReport whole = explain(model, request_of(model, 2000)), split = explain(model, request_of(model, 7));
  for (size_t m = 0; m < whole.methods.size(); ++m) {
    ASSERT_EQ(whole.methods[m].arrays.size(), split.methods[m].arrays.size());
    for (size_t f = 0; f < whole.methods[m].arrays.size(); ++f) {
      const ScoreArray &a = whole.methods[m].arrays[f], &b = split.methods[m].arrays[f];
      const bool same = a.by_token() ? agree(a.tokens(), b.tokens(), tol::kF64SplitScores)
                                     : agree(a.layers(), b.layers(), tol::kF64SplitScores.times(1000));
      EXPECT_TRUE(same) << whole.methods[m].name << " " << a.name << " of " << a.axes.size() << " axes";
    }
    EXPECT_TRUE(agree(whole.methods[m].total().no_token, split.methods[m].total().no_token, tol::kF64Total));
  }
  EXPECT_FALSE(split.layers.empty());
  for (const LayerReport& layer : split.layers)
    EXPECT_LE(layer.max_residual, 1e-12) << layer.structure.kind << " in layer " << layer.layer;
}

TEST_P(Families, AContinuedTextExplainsItsTailAsTheWholeDoes) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest all = request_of(model, 2000);
  if (model.arch().sizes().labels > 0 || all.tokens.empty())
    GTEST_SKIP() << "this model judges whole texts: no token is predicted";
  constexpr int64_t kCut = 9;
  const SequenceState state = state_after(model, std::span(all.tokens).first(kCut));
  ExplainRequest tail = request_for({all.tokens.begin() + kCut, all.tokens.end()}, 5);
  tail.state_in = &state;
  const ExplainReport whole = explain(model, all), part = explain(model, tail);
  for (size_t m = 0; m < whole.methods.size(); ++m) {
    for (const ScoreArray& read : whole.methods[m].arrays) {
      if (!read.by_token()) continue;
      const ScoreArray* tail_only = part.methods[m].find(read.name);
      ASSERT_NE(tail_only, nullptr) << read.name;
      EXPECT_TRUE(agree(read.tokens().subspan(kCut), tail_only->tokens(), tol::kF64SplitScores))
          << whole.methods[m].name << " " << read.name;
    }
  }
  const MethodReport& frozen = method_of(part, "frozen");
  const auto [target, residual] = *frozen.total().completeness;
  EXPECT_TRUE(agree(target - residual, target, tol::kF64Complete));
  EXPECT_FALSE(part.layers.empty());
  for (const LayerReport& layer : part.layers)
    EXPECT_LE(layer.max_residual, 1e-12) << layer.structure.kind << " in layer " << layer.layer;
}

// A state that nothing was read into is none: the model still starts from the one its weights hold.
TEST(TunedStart, HasItsShareAfterAnEmptyStateToo) {
  Config c = config_of("rwkv6");
  c.set("time_state", true);
  const Model model = random_model(c, DType::kF64);
  ExplainRequest r = request_of(model, 7), after = r;
  const SequenceState empty;
  after.state_in = &empty;
  const ScoreArray found = method_of(explain(model, after), "frozen").total(),
                   ref = method_of(explain(model, r), "frozen").total();
  EXPECT_NE(ref.state, 0);
  EXPECT_EQ(found.state, ref.state);
  EXPECT_EQ(found.completeness->residual, ref.completeness->residual);
}

TEST_P(Families, PathsAddUpToTheGradientOfEveryMixer) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = parse_methods("gradient-x-input");
  const ExplainReport report = explain(model, r);
  const MethodReport& m = report.methods[0];
  Recorded pass(model, r);
  Ctx& ctx = pass.ctx;
  const std::vector<double> seed = target_seed(model, report.target);
  double* dh = ctx.grad<double>(pass.h);
  std::copy(seed.begin(), seed.end(), dh + (ctx.rows(pass.h) - 1) * static_cast<int64_t>(seed.size()));
  ctx.backward(exact_rules());
  const auto views = mixer_views<double>(ctx);
  std::vector<double> score(kTokens, 0.0);
  const Var emb = embedding_of(ctx);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = t * ctx.cols(emb); i < (t + 1) * ctx.cols(emb); ++i)
      score[static_cast<size_t>(t)] += ctx.data<double>(emb)[i] * ctx.grad<double>(emb)[i];
  }
  EXPECT_TRUE(agree(score, m.find("model")->tokens(), tol::kF64SplitScores)) << "gradient x input";
  for (size_t l = 0; l < views.size(); ++l) {
    if (l > 0 && views[l]->mixer == views[l - 1]->mixer) continue;
    const Var in = ctx.mixers()[views[l]->mixer].in;
    // A mixer's own part: what others that read the same array sent back is not in its paths.
    size_t readers = 0;
    for (const MixerScope& scope : ctx.mixers()) readers += scope.in == in ? 1 : 0;
    if (readers > 1 || ctx.rows(in) != kTokens) continue;
    for (int64_t t = 0; t < kTokens; ++t) {
      double exact = 0, split = 0;
      for (int64_t i = t * ctx.cols(in); i < (t + 1) * ctx.cols(in); ++i)
        exact += ctx.data<double>(in)[i] * ctx.grad<double>(in)[i];
      for (size_t p = 0; p < kMixerPaths; ++p)
        split += static_cast<double>(path_of(m, p)[l * kTokens + static_cast<size_t>(t)]);
      ASSERT_TRUE(agree(split, exact, tol::kKeptAsFloat)) << "mixer " << l << " token " << t;
    }
  }
}

// What a layer's input holds of the target: mixers that read one array share what it holds.
TEST_P(Families, FrozenLayersHoldWhatTheirInputsPassOn) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = parse_methods("frozen");
  const ExplainReport report = explain(model, r);
  Recorded pass(model, r);
  Ctx& ctx = pass.ctx;
  const std::vector<double> seed = target_seed(model, report.target, true);
  std::copy(seed.begin(), seed.end(),
            ctx.grad<double>(pass.h) + (ctx.rows(pass.h) - 1) * static_cast<int64_t>(seed.size()));
  ctx.backward(frozen_rules());
  const auto views = mixer_views<double>(ctx);
  for (const MixerScope& scope : ctx.mixers()) {
    if (ctx.rows(scope.in) != kTokens) continue;
    std::vector<double> held(kTokens, 0.0), told(kTokens, 0.0);
    for (int64_t i = 0; i < kTokens * ctx.cols(scope.in); ++i)
      held[static_cast<size_t>(i / ctx.cols(scope.in))] +=
          ctx.data<double>(scope.in)[i] * ctx.grad<double>(scope.in)[i];
    for (size_t l = 0; l < views.size(); ++l) {
      const bool first_of_mixer = l == 0 || views[l]->mixer != views[l - 1]->mixer;
      for (size_t t = 0; first_of_mixer && ctx.mixers()[views[l]->mixer].in == scope.in && t < kTokens; ++t)
        told[t] += static_cast<double>(report.methods[0].layers()[l * kTokens + t]);
    }
    EXPECT_TRUE(agree(told, held, tol::kKeptAsFloat)) << scope.where;
  }
}

TEST_P(Families, TheEstimateNamesAttentionThatSeesEverything) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  const ExplainRequest r = request_of(model, 7);
  std::vector<int> expected;
  Recorded pass(model, r);
  for (const auto& view : mixer_views<float>(pass.ctx)) {
    const auto* d = dynamic_cast<const SoftmaxDetail<float>*>(pass.ctx.nodes()[view->ops().core].mixer.get());
    if (d != nullptr && d->window == 0) expected.push_back(view->layer);
  }
  const ExplainEstimate e = make_explain_plan(model, r, kTokens - 1).estimate;
  EXPECT_EQ(e.quadratic_layers, expected);
  EXPECT_EQ(e.quadratic_seconds > 0, !expected.empty());
  EXPECT_EQ(to_text(e).find("square of the tokens") != std::string::npos, !expected.empty());
  EXPECT_GT(e.seconds, e.quadratic_seconds);
  EXPECT_EQ(e.tokens, kTokens);
}

// Parts of any request can be timed on their own, of the shortest text too.
TEST_P(Families, EveryRequestHasATimedEstimate) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest r = request_of(model, 3);
  r.methods = parse_methods("row,rollout,gradient-x-input,frozen,integrated-gradients:steps=2");
  const auto expect_seconds = [&](const char* what) {
    const ExplainEstimate e = estimate_explain(model, r);
    ASSERT_EQ(e.parts.size(), 2u) << what;
    EXPECT_TRUE(std::isfinite(e.parts[0]) && e.parts[0] > 0) << what << ": " << e.parts[0];
    EXPECT_TRUE(std::isfinite(e.parts[1]) && e.parts[1] >= 0) << what << ": " << e.parts[1];
    EXPECT_TRUE(std::isfinite(e.causal_seconds) && e.causal_seconds >= 0) << what << ": " << e.causal_seconds;
    EXPECT_TRUE(e.quadratic_seconds >= 0 && e.quadratic_seconds < e.seconds) << what << ": " << e.quadratic_seconds;
  };
  expect_seconds("small chunks");
  r.chunk = 2000;
  expect_seconds("one chunk");
  r.tokens.resize(1);
  expect_seconds("one token");
  const SequenceState before = state_after(model, some_tokens());
  r.state_in = &before;
  expect_seconds("after a text");
}

// A model that reads its input through a norm only does not see its size: gradient x input there is near zero, said so,
// and the scores are those of the normed input.
TEST_P(Families, CaseA14GradientTimesAnInputBehindANorm) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = parse_methods("gradient-x-input");
  const MethodReport m = explain(model, r).methods[0];
  const double shown = largest(m.scores()), at_embedding = largest(m.find("model")->tokens());
  EXPECT_GT(shown, 1e-3);
  const bool behind = GetParam().starts_with("rwkv");
  EXPECT_EQ(m.total().name, behind ? "after-norm" : "model");
  EXPECT_EQ(m.label.empty(), !behind);
  if (!behind) return;
  EXPECT_LT(at_embedding, 0.05 * shown);
  Recorded pass(model, r);
  const std::vector<double> seed = target_seed(model, explain(model, r).target);
  std::copy(seed.begin(), seed.end(),
            pass.ctx.grad<double>(pass.h) + (pass.ctx.rows(pass.h) - 1) * static_cast<int64_t>(seed.size()));
  pass.ctx.backward(exact_rules());
  const Var n = normed_input(pass.ctx);
  std::vector<double> expected(kTokens, 0.0);
  for (int64_t i = 0; i < kTokens * pass.ctx.cols(n); ++i)
    expected[static_cast<size_t>(i / pass.ctx.cols(n))] += pass.ctx.data<double>(n)[i] * pass.ctx.grad<double>(n)[i];
  EXPECT_TRUE(agree(expected, m.scores(), tol::kF64SplitScores)) << "gradient x normed input";
}

}  // namespace
}  // namespace hindscan
