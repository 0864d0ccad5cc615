// Every architecture of the table, random weights, no per-architecture code: decompositions add up, chunks do not
// matter, rows agree with matrices, paths add up to the gradient.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/matrix.h"
#include "explain/methods.h"
#include "explain/orders.h"
#include "explain/report.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

constexpr int64_t kTokens = 23, kVocab = 60;

constexpr const char* kParallel =
    "parallel_blocks";  // mixers side by side in a block, shared weights, one after another

Config parallel_blocks() {
  Config c = architecture_preset("hybrid", {.d_model = 32, .n_layer = 1, .vocab_size = kVocab});
  c.set_list("layers", std::vector<std::string>{"ssm+attn+delta", "mlp", "delta", "attn@0"});
  c.set("blocks.delta.model_type", std::string("gated_deltanet"));
  c.set("blocks.delta.head_dim", int64_t{8});
  c.set("blocks.delta.num_heads", int64_t{2});
  return c;
}

Config config_of(const std::string& name) {
  if (name == kParallel) return parallel_blocks();
  return architecture_preset(name, {.d_model = 32, .n_layer = 3, .vocab_size = kVocab});
}

// The published initialisation, then every parameter moved, so that none stays at zero or one.
Model random_model(const Config& config, DType dtype) {
  Model m = Model::create(config, DType::kF64, 3);
  Rng rng(3, "families");
  for (size_t i = 0; i < m.weights().size(); ++i) {
    Weight& w = m.weights()[i];
    double* p = static_cast<double*>(w.data);
    const double scale = w.matrix ? 0.7 / std::sqrt(static_cast<double>(w.cols())) : 0.15;
    for (int64_t k = 0; k < w.size(); ++k) p[k] += scale * rng.normal();
  }
  return dtype == DType::kF64 ? std::move(m) : m.to(dtype);
}

std::vector<int32_t> some_tokens() {
  Rng rng(8, "tokens");
  std::vector<int32_t> out;
  for (int64_t t = 0; t < kTokens; ++t) out.push_back(static_cast<int32_t>(rng.below(kVocab)));
  return out;
}

class Families : public ::testing::TestWithParam<std::string> {};
std::vector<std::string> all_cases() {
  std::vector<std::string> names = architecture_names();
  names.push_back(kParallel);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(all_cases()), [](const auto& name) { return name.param; });

ExplainRequest request_of(const Model& model, int64_t chunk) {
  ExplainRequest r = request_for(some_tokens(), chunk);
  const int64_t F = model.arch().sizes().feature_dim;
  if (F == 0) return r;
  r.tokens.clear();
  Rng rng(9, "features");
  for (int64_t i = 0; i < kTokens * F; ++i) r.features.push_back(static_cast<float>(rng.normal()));
  return r;
}

TEST_P(Families, FrozenAddsUpAndLayersAreComplete) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const bool f64 = dtype == DType::kF64;
    const Model model = random_model(config_of(GetParam()), dtype);
    const ExplainReport report = explain(model, request_of(model, 2000));
    const MethodReport& frozen = method_of(report, Method::kFrozen);
    ASSERT_TRUE(frozen.residual);
    EXPECT_TRUE(agree(*frozen.target_value - *frozen.residual, *frozen.target_value,
                      f64 ? tol::kF64Complete : tol::kF32Complete));
    EXPECT_GT(largest(frozen.scores()), 1e-6);
    EXPECT_FALSE(report.layers.empty());
    for (const LayerReport& layer : report.layers) {
      EXPECT_LE(layer.max_residual, f64 ? 1e-12 : 2e-5) << layer.kind << " in layer " << layer.layer;
      EXPECT_LE(layer.target_residual, f64 ? 1e-12 : 2e-5) << layer.kind << " in layer " << layer.layer;
    }
  }
}

// The recurrence once more by the kernel that ran would leave nothing at all.
TEST_P(Families, ResidualOfADoublePassIsNotMeasuredByTheKernelThatRan) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Recorded pass(model, request_of(model, 2000));
  const auto views = mixer_views<double>(pass.ctx);
  ASSERT_FALSE(views.empty());
  for (const auto& view : views) {
    if (!view->kind.starts_with("glr")) continue;
    std::vector<double> state, residual(static_cast<size_t>(view->tokens()));
    view->forward_residual(state, residual.data());
    EXPECT_GT(largest(residual), 0) << view->kind << " in layer " << view->layer;
    EXPECT_LT(largest(residual), 1e-12) << view->kind << " in layer " << view->layer;
  }
}

TEST_P(Families, ChunksDoNotChangeTheResult) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().labels > 0) GTEST_SKIP() << "judges whole texts";
  const ExplainReport whole = explain(model, request_of(model, 2000)), split = explain(model, request_of(model, 7));
  for (size_t m = 0; m < whole.methods.size(); ++m) {
    for (size_t f = 0; f < whole.methods[m].maps.size(); ++f) {
      EXPECT_TRUE(agree(whole.methods[m].maps[f].scores, split.methods[m].maps[f].scores, tol::kF64SplitScores))
          << whole.methods[m].name;
      const std::vector<float>&a = whole.methods[m].maps[f].layers, &b = split.methods[m].maps[f].layers;
      EXPECT_TRUE(agree(std::vector<double>{a.begin(), a.end()}, std::vector<double>{b.begin(), b.end()},
                        f == 0 ? tol::kF64SplitScores.times(1000) : tol::kF64SplitScores.times(1000).or_empty()))
          << whole.methods[m].name + " layers";
    }
    EXPECT_TRUE(agree(whole.methods[m].bias_share, split.methods[m].bias_share, tol::kF64Total));
  }
  EXPECT_FALSE(split.layers.empty());
  for (const LayerReport& layer : split.layers)
    EXPECT_LE(layer.max_residual, 1e-12) << layer.kind << " in layer " << layer.layer;
}

TEST_P(Families, AContinuedTextExplainsItsTailAsTheWholeDoes) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest all = request_of(model, 2000);
  if (model.arch().sizes().labels > 0 || all.tokens.empty()) GTEST_SKIP() << "judges whole texts";
  constexpr int64_t kCut = 9;
  const SequenceState state = state_after(model, std::span(all.tokens).first(kCut));
  ExplainRequest tail = request_for({all.tokens.begin() + kCut, all.tokens.end()}, 5);
  tail.state_in = &state;
  const ExplainReport whole = explain(model, all), part = explain(model, tail);
  for (size_t m = 0; m < whole.methods.size(); ++m) {
    for (size_t f = 0; f < whole.methods[m].maps.size(); ++f) {
      const std::vector<double>& scores = whole.methods[m].maps[f].scores;
      EXPECT_TRUE(agree(std::vector<double>{scores.begin() + kCut, scores.end()}, part.methods[m].maps[f].scores,
                        tol::kF64SplitScores))
          << whole.methods[m].name;
    }
  }
  const MethodReport& frozen = method_of(part, Method::kFrozen);
  EXPECT_TRUE(agree(*frozen.target_value - *frozen.residual, *frozen.target_value, tol::kF64Complete));
  EXPECT_FALSE(part.layers.empty());
  for (const LayerReport& layer : part.layers)
    EXPECT_LE(layer.max_residual, 1e-12) << layer.kind << " in layer " << layer.layer;
}

TEST_P(Families, PathsAddUpToTheGradientOfEveryMixer) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = {Method::kGradientXInput};
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
  EXPECT_TRUE(agree(score, m.maps.back().scores, tol::kF64SplitScores)) << "gradient x input";
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
        split += static_cast<double>(m.paths[(p * views.size() + l) * kTokens + static_cast<size_t>(t)]);
      ASSERT_TRUE(agree(split, exact, tol::kKeptAsFloat)) << "mixer " << l << " token " << t;
    }
  }
}

TEST_P(Families, MatrixRowsAreTheRowsOfTheRowMethod) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = random_model(config_of(GetParam()), dtype);
    ExplainRequest r = request_of(model, 2000);
    if (model.arch().sizes().labels > 0) GTEST_SKIP() << "the explained row is a mean of rows";
    r.methods = {Method::kRow};
    const ExplainReport report = explain(model, r);
    int mixer = 0;
    for (size_t l = 0; l < report.layers.size(); ++l) {
      mixer = l > 0 && report.layers[l].layer == report.layers[l - 1].layer ? mixer + 1 : 0;
      for (Fidelity fidelity : {Fidelity::kCore, Fidelity::kMixer}) {
        if (fidelity == Fidelity::kMixer && report.layers[l].kind == "nonlinear") continue;
        MatrixRequest q;
        q.tokens = r.tokens;
        q.features = r.features;
        q.layer = report.layers[l].layer;
        q.mixer = mixer;
        q.fidelity = fidelity;
        q.chunk = 6;
        q.rows = TokenRange{kTokens - 1, kTokens};
        const MatrixResult got = matrix(model, q);
        EXPECT_EQ(got.kind, report.layers[l].kind);
        const std::vector<float>& rows = report.methods[0].maps[fidelity == Fidelity::kCore ? 0 : 1].layers;
        const auto row = rows.begin() + static_cast<std::ptrdiff_t>(l) * kTokens;
        EXPECT_TRUE(agree(std::vector<double>{row, row + kTokens},
                          std::vector<double>{got.values.begin(), got.values.end()}, tol::kF32Scores))
            << fmt::format("{} of layer {} at fidelity {}", got.kind, q.layer, static_cast<int>(fidelity));
      }
    }
  }
}

TEST_P(Families, BlocksAreSumsOfEntries) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  MatrixRequest q;
  q.tokens = r.tokens;
  q.features = r.features;
  q.layer = mixer_layer(model, r);
  const MatrixResult all = matrix(model, q);
  q.blocks = 4;
  const MatrixResult blocks = matrix(model, q);
  std::vector<double> sums(16, 0.0);
  for (size_t i = 0; i < static_cast<size_t>(kTokens * kTokens); ++i) {
    const auto block = [&](size_t t) {
      return static_cast<size_t>(std::upper_bound(blocks.edges.begin(), blocks.edges.end(), static_cast<int64_t>(t)) -
                                 blocks.edges.begin()) -
             1;
    };
    sums[block(i / kTokens) * 4 + block(i % kTokens)] += static_cast<double>(all.values[i]);
  }
  EXPECT_TRUE(agree(sums, std::vector<double>{blocks.values.begin(), blocks.values.end()}, tol::kF32Scores.times(0.5)))
      << "blocks";
}

TEST_P(Families, KeyDroppingIsMeasuredWhereItDiffersAndRefusedElsewhere) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = {Method::kRow};
  const ExplainReport exact = explain(model, r);
  const bool rank1 =
      std::any_of(exact.layers.begin(), exact.layers.end(), [](const LayerReport& l) { return l.kind == "glr.rank1"; });
  r.estimator = Estimator::kKeyDropping;
  if (!rank1) {
    EXPECT_THROW(explain(model, r), Error);
    return;
  }
  const ExplainReport report = explain(model, r);
  const MethodReport& row = report.methods[0];
  ASSERT_TRUE(row.estimator);
  EXPECT_EQ(row.maps[0].fidelity, "core-key-dropping");
  EXPECT_EQ(row.maps[1].scores, exact.methods[0].scores());
  const EstimatorError& e = row.estimator->total;
  EXPECT_GT(e.relative_l2(), 0);
  EXPECT_LT(e.cosine(), 1);
  EXPECT_GT(e.spurious(), 0);
  EXPECT_LT(e.spurious(), 1);
}

// q_t (product of the decays) s_j k_j, the transition's rank-1 term left out.
std::vector<double> dropped_row(const HeadDetail<double>& d) {
  const auto [T, H, G, K, V, R] = d.dims;
  std::vector<double> out(static_cast<size_t>(T * H), 0.0);
  for (int64_t j = 0; j < T; ++j) {
    for (int64_t i = 0; i < H * K; ++i) {
      const int64_t h = i / K, from = (j * G + h / (H / G)) * K + i % K, to = ((T - 1) * G + h / (H / G)) * K + i % K;
      double decay = 0;
      for (int64_t t = j + 1; t < T && d.coeffs.g != nullptr; ++t)
        decay += d.coeffs.decay == kernels::glr::DecayShape::kRow ? d.coeffs.g[t * H * K + i] : d.coeffs.g[t * H + h];
      const double write = d.coeffs.s == nullptr ? 1 : d.coeffs.s[j * H + h];
      out[static_cast<size_t>(j * H + h)] += d.coeffs.q[to] * std::exp(decay) * write * d.coeffs.k[from];
    }
  }
  return out;
}

TEST_P(Families, KeyDroppingRowsAreTheirDefinition) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  Recorded pass(model, r);
  for (const auto& view : mixer_views<double>(pass.ctx, Estimator::kKeyDropping)) {
    if (!view->has_key_dropping()) continue;
    const HeadDetail<double>& detail = static_cast<const HeadView<double>&>(*view).detail();
    std::vector<double> w(kTokens, 0.0), row(static_cast<size_t>(kTokens * view->maps())),
        missing(static_cast<size_t>(view->channels()));
    w.back() = 1;
    RowCarry<double> carry;
    view->row(w.data(), carry, row.data(), missing.data());
    EXPECT_TRUE(agree(dropped_row(detail), row, tol::kF64Scores)) << fmt::format("layer {}", view->layer);
  }
}

TEST_P(Families, TheEstimateNamesAttentionThatSeesEverything) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  const ExplainRequest r = request_of(model, 7);
  std::vector<int> expected;
  Recorded pass(model, r);
  for (const auto& view : mixer_views<float>(pass.ctx)) {
    if (view->quadratic()) expected.push_back(view->layer);
  }
  const ExplainEstimate e = estimate_explain(model, r);
  EXPECT_EQ(e.quadratic_layers, expected);
  EXPECT_EQ(e.quadratic_seconds > 0, !expected.empty());
  EXPECT_EQ(to_text(e).find("square of the tokens") != std::string::npos, !expected.empty());
  EXPECT_GT(e.seconds, e.quadratic_seconds);
  EXPECT_EQ(e.tokens, kTokens);
}

// A model that reads its input through a norm only does not see its size: gradient x input there is near zero, said so,
// and the scores are those of the normed input.
TEST_P(Families, CaseA14GradientTimesAnInputBehindANorm) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = {Method::kGradientXInput};
  const MethodReport m = explain(model, r).methods[0];
  const double shown = largest(m.scores()), at_embedding = largest(m.maps.back().scores);
  EXPECT_GT(shown, 1e-3);
  EXPECT_EQ(m.maps.size(), GetParam().starts_with("rwkv") ? 2u : 1u);
  EXPECT_EQ(m.label.empty(), m.maps.size() == 1);
  if (m.maps.size() == 1) return;
  EXPECT_LT(at_embedding, 0.05 * shown);
  EXPECT_EQ(m.maps[0].fidelity, "after-norm");
  EXPECT_EQ(m.maps[1].fidelity, "model");
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

// A view whose row finds nothing: what is missing is the whole output, and one definition of the residual says 1.
class FindsNothing final : public MixerView<double> {
 public:
  FindsNothing(const Ctx& ctx, const MixerScope& scope, size_t core, const MixerView<double>& real)
      : MixerView(ctx, scope, core), real_(real) {
    mixer = real.mixer;
  }
  int64_t maps() const override { return real_.maps(); }
  int64_t channels() const override { return real_.channels(); }
  void row(const double*, RowCarry<double>&, double* out, double*) const override {
    std::fill_n(out, tokens() * maps(), 0.0);
  }
  void add_carried_in(const RowCarry<double>&, double*) const override {}
  void row_times_mean(const double*, RowCarry<double>&, double*) const override {}
  void weighted_output(const double* w, double* out) const override { real_.weighted_output(w, out); }
  void forward_residual(std::vector<double>&, double*) const override {}

 private:
  const MixerView<double>& real_;
};

TEST_P(Families, CaseA13TheResidualOfAPooledJudgementHasOneDefinition) {
  Config config = config_of(GetParam());
  config.set("pooling", std::string("mean"));
  config.set("num_labels", int64_t{4});
  Model model = random_model(config, DType::kF64);
  for (size_t i = 0; i < model.weights().size(); ++i) {  // a skip that lets nothing through
    Weight& w = model.weights()[i];
    if (w.name.ends_with(".D")) std::fill_n(static_cast<double*>(w.data), w.size(), 0.0);
  }
  Recorded pass(model, request_of(model, 7));
  const auto real = mixer_views<double>(pass.ctx);
  Views<double> views;
  for (const auto& view : real)
    views.push_back(std::make_unique<FindsNothing>(pass.ctx, pass.ctx.mixers()[view->mixer], view->ops().core, *view));
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  const Chunk<double> chunk{pass.ctx, pass.h, 0, kTokens, 0, {}, {}, views, orders};
  RowScan<double> scan({kTokens, kTokens, static_cast<int64_t>(views.size()), 0});
  scan.back(chunk);
  const std::vector<double> residuals = scan.residuals();
  for (size_t l = 0; l < residuals.size(); ++l)
    EXPECT_TRUE(agree(residuals[l], 1.0, tol::kF64Absolute)) << real[l]->kind << " " << l;
}

// Classifiers of token texts and regressors of feature vectors: every token has a share in the pooled judgement.
TEST_P(Families, JudgementsOfWholeTextsAddUp) {
  for (const bool features : {false, true}) {
    Config config = config_of(GetParam());
    config.set("pooling", std::string(features ? "mean" : "max"));
    config.set("num_labels", int64_t{features ? 2 : 4});
    if (features) {
      config.set("problem_type", std::string("regression"));
      config.set("feature_dim", int64_t{5});
    }
    const Model model = random_model(config, DType::kF64);
    ExplainRequest r = request_of(model, 7);
    r.target_id = 1;
    const ExplainReport report = explain(model, r);
    EXPECT_EQ(report.target.kind, features ? TargetKind::kNumber : TargetKind::kClass);
    EXPECT_EQ(report.target.contrast_id.has_value(), !features);
    EXPECT_EQ(report.chunk, kTokens);
    EXPECT_EQ(report.tokens.size(), static_cast<size_t>(kTokens));
    const MethodReport& frozen = method_of(report, Method::kFrozen);
    EXPECT_TRUE(agree(*frozen.target_value - *frozen.residual, *frozen.target_value, tol::kF64Complete));
    EXPECT_GT(largest(frozen.scores()), 1e-9);
    EXPECT_FALSE(report.layers.empty());
    for (const LayerReport& layer : report.layers)
      EXPECT_LE(layer.max_residual, 1e-12) << layer.kind << " in layer " << layer.layer;
    r.target = 3;
    EXPECT_THROW(explain(model, r), Error);
  }
}

}  // namespace
}  // namespace hindscan
