#include "arch/classifier.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "core/ops/losses.h"

namespace hindscan {
namespace {

constexpr int64_t kD = 32, kF = 5, kVocab = 56;

struct Built {
  std::unique_ptr<Architecture> arch;
  WeightTable weights;
};

Built build(const std::string& family, ClassifierOptions o, DType dtype = DType::kF64) {
  Built b;
  o.num_labels = 3;
  b.arch = make_architecture(
      classifier_config(architecture_preset(family, {.d_model = kD, .n_layer = 1, .vocab_size = kVocab}), o));
  b.arch->declare(b.weights);
  b.weights.allocate(dtype);
  b.weights.initialise(7);
  return b;
}

std::vector<float> some_features(int64_t T) {
  Rng rng(3, "features");
  std::vector<float> out(static_cast<size_t>(T * kF));
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

std::vector<double> pooled(const Built& b, const Input& input) {
  CtxOptions options;
  options.compute = DType::kF64;
  Ctx ctx(input, options);
  const Var h = b.arch->forward(ctx);  // [B, d]
  return {ctx.data<double>(h), ctx.data<double>(h) + ctx.rows(h) * ctx.cols(h)};
}

class EveryFamily : public ::testing::TestWithParam<std::string> {};

// The first weight must be the one the pass embeds with, and every family must take vectors in its place.
TEST_P(EveryFamily, ClassifiesTokensAndVectorsWithoutTheLanguageHead) {
  const Built tokens = build(GetParam(), {});
  const std::vector<int32_t> ids = {3, 1, 4, 1, 5};
  Input input;
  input.tokens = ids;
  input.cu_seqlens = {0, 2, 5};
  const std::vector<double> h = pooled(tokens, input);  // [2, d]
  EXPECT_EQ(h.size(), static_cast<size_t>(2 * kD));
  EXPECT_GT(tokens.weights[0].size(), 0);
  for (size_t i = 1; i < tokens.weights.size(); ++i) {
    EXPECT_NE(tokens.weights[i].shape.front(), kVocab) << tokens.weights[i].name << " belongs to the language head";
  }

  ClassifierOptions o;
  o.feature_dim = kF;
  const Built vectors = build(GetParam(), o);
  const std::vector<float> x = some_features(4);
  Input features;
  features.features = x;
  features.feature_dim = kF;
  const std::vector<double> g = pooled(vectors, features);  // [1, d]
  EXPECT_EQ(g.size(), static_cast<size_t>(kD));
  for (const double v : g) EXPECT_TRUE(std::isfinite(v));
  EXPECT_EQ(vectors.weights[0].size(), 0) << "the embedding table is not needed";
  EXPECT_EQ(vectors.arch->hf_config().integer("feature_dim", 0, 100), kF);
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily, ::testing::ValuesIn(architecture_names()),
                         [](const auto& i) { return i.param; });

TEST(Classifier, PacksSequencesAsIfEachWereAlone) {
  ClassifierOptions o;
  o.feature_dim = kF;
  for (const char* pooling : {"mean", "last", "first", "max"}) {
    o.pooling = pooling;
    const Built b = build("mamba2", o);
    const std::vector<float> x = some_features(9);
    Input all;
    all.features = x;
    all.feature_dim = kF;
    all.cu_seqlens = {0, 4, 9};
    const std::vector<double> both = pooled(b, all);  // [2, d]
    Input second;
    second.features = std::span(x).subspan(4 * kF);
    second.feature_dim = kF;
    const std::vector<double> alone = pooled(b, second);  // [1, d]
    for (int64_t c = 0; c < kD; ++c)
      EXPECT_TRUE(agree(both[static_cast<size_t>(kD + c)], alone[static_cast<size_t>(c)], tol::kF64Absolute))
          << pooling;
  }
}

TEST(Classifier, GradientsReachTheFeatureProjection) {
  ClassifierOptions o;
  o.feature_dim = kF;
  Built b = build("rwkv7", o);
  const std::vector<float> x = some_features(6);
  const std::vector<int32_t> target = {2};
  const auto loss = [&](GradTable* grads) {
    Input input;
    input.features = x;
    input.feature_dim = kF;
    CtxOptions options;
    options.compute = DType::kF64;
    options.record = grads != nullptr;
    options.grads = grads;
    Ctx ctx(input, options);
    double nats = 0;
    ops::cross_entropy(ctx, b.arch->logit_head(), b.arch->forward(ctx), target, {}, {&nats, 1});
    if (grads != nullptr) ctx.backward(training_rules());
    return nats;
  };
  GradTable grads(b.weights, DType::kF64);
  loss(&grads);
  for (const char* name : {"feature_proj.weight", "feature_proj.bias", "score.weight", "score.bias"}) {
    Weight& w = *b.weights.find(name);
    for (const int64_t i : {int64_t{0}, w.size() - 1}) {
      double& v = static_cast<double*>(w.data)[i];
      const double kept = v, step = 1e-5;
      v = kept + step;
      const double up = loss(nullptr);
      v = kept - step;
      const double down = loss(nullptr);
      v = kept;
      EXPECT_TRUE(agree(grads.of<double>(w)[i], (up - down) / (2 * step), tol::kGridDifference)) << name;
    }
  }
}

TEST(Classifier, RefusesWhatDoesNotFit) {
  ClassifierOptions o;
  o.feature_dim = kF;
  const Built b = build("mamba", o);
  const std::vector<float> x(12);
  Input wrong;
  wrong.features = x;
  wrong.feature_dim = 4;
  EXPECT_THROW(pooled(b, wrong), Error);
  Config c = architecture_preset("mamba", {.d_model = kD, .n_layer = 1, .vocab_size = kVocab});
  c.set("num_labels", int64_t{2});
  c.set("pooling", std::string("median"));
  EXPECT_THROW(make_architecture(c), Error);
  c.set("pooling", std::string("mean"));
  c.set("problem_type", std::string("multi_label_classification"));
  EXPECT_THROW(make_architecture(c), Error);
  c.set("problem_type", std::string("regression"));
  c.set("id2label.0", std::string("only one of two"));
  EXPECT_THROW(make_architecture(c), Error);
}

}  // namespace
}  // namespace hindscan
