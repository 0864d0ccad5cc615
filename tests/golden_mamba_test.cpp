// Model folders as published (one file, shards, mamba_ssm's names) against Hugging Face: logits, states, every
// gradient. arch_conformance_test has the rest: splits, packing, restored states, storage.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "base/testing/scratch.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "golden_file.h"
#include "model/model.h"

namespace hindscan {
namespace {

using testing::GoldenFile;

struct Case {
  const char* model;   // directory below tests/golden/mamba
  const char* golden;  // directory that holds the goldens
  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.model; }
};

template <class R>
constexpr DType kType = sizeof(R) == 4 ? DType::kF32 : DType::kF64;
template <class R>
constexpr bool kDouble = sizeof(R) == 8;

// Bars of acceptance 1.3 in float; in double what rounding leaves.
template <class R>
constexpr Tolerance kLogits = kDouble<R> ? tol::kF64Logits.times(0.1) : tol::kF32Logits;
template <class R>
constexpr Tolerance kSplit = kDouble<R> ? tol::kF64Split.times(0.1) : tol::kF32Split;
template <class R>
constexpr Tolerance kGradient = kDouble<R> ? tol::kF64Gradients.times(0.1) : tol::kF32Gradients;

std::vector<std::vector<int32_t>> sequences(const GoldenFile& g) { return {g.ids("tokens.0"), g.ids("tokens.1")}; }

// Logits of a pass, [T, vocab]; advances the state.
template <class R>
std::vector<R> pass(const Model& model, std::span<const int32_t> tokens, SequenceState* state = nullptr) {
  Input input;
  input.tokens = tokens;
  if (state != nullptr) input.states = {state};
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, options);
  const Var h = model.arch().forward(ctx);                               // [T, d_model]
  const Var logits = ops::linear(ctx, model.arch().head(), nullptr, h);  // [T, vocab]
  ctx.commit();
  const R* first = ctx.data<R>(logits);
  return {first, first + ctx.rows(logits) * ctx.cols(logits)};
}

struct Packed {
  std::vector<int32_t> tokens, targets;
  std::vector<float> weight;  // 0 at the last token of a sequence
  std::vector<int64_t> cu = {0};
};

Packed pack(const std::vector<std::vector<int32_t>>& all) {
  Packed p;
  for (const std::vector<int32_t>& tokens : all) {
    for (size_t t = 0; t < tokens.size(); ++t) {
      const bool last = t + 1 == tokens.size();
      p.tokens.push_back(tokens[t]);
      p.targets.push_back(last ? 0 : tokens[t + 1]);
      p.weight.push_back(last ? 0.0f : 1.0f);
    }
    p.cu.push_back(static_cast<int64_t>(p.tokens.size()));
  }
  return p;
}

template <class R>
void expect_gradients(const Model& model, const GradTable& grads, const GoldenFile& golden, double targets) {
  size_t compared = 0;
  for (size_t k = 0; k < model.weights().size(); ++k) {
    const Weight& w = model.weights()[k];
    std::vector<std::string> names = w.aliases;
    names.push_back(w.name);
    for (const std::string& name : names) {
      if (!golden.has("grad_f64." + name)) continue;
      std::vector<double> found(grads.of<R>(w), grads.of<R>(w) + w.size());
      for (double& v : found) v /= targets;  // ours is of the sum of the losses
      EXPECT_TRUE(agree(found, golden.reals<double>("grad_f64." + name), kGradient<R>)) << name;
      ++compared;
    }
  }
  const auto stored = std::count_if(golden.tensors().begin(), golden.tensors().end(),
                                    [](const TensorInfo& t) { return t.name.rfind("grad_f64.", 0) == 0; });
  EXPECT_EQ(compared, static_cast<size_t>(stored));
  EXPECT_EQ(compared, model.weights().size());
}

class GoldenMamba : public ::testing::TestWithParam<Case> {
 protected:
  GoldenFile golden() const { return GoldenFile(std::string("mamba/") + GetParam().golden + "/golden.safetensors"); }
  template <class R>
  Model load() const {
    return Model::load(testing::golden_path(std::string("mamba/") + GetParam().model), {kType<R>});
  }

  template <class R>
  void logits() const {
    const Model model = load<R>();
    const GoldenFile g = golden();
    for (size_t s = 0; s < 2; ++s) {
      const std::vector<R> found = pass<R>(model, sequences(g)[s]);
      const std::vector<double> ref = g.reals<double>(fmt::format("logits_f64.{}", s));
      EXPECT_TRUE(agree(found, ref, kLogits<R>)) << "sequence " << s;
      EXPECT_TRUE(agree(found, ref, kSplit<R>)) << "sequence " << s;
    }
  }

  template <class R>
  void states() const {
    const Model model = load<R>();
    const GoldenFile g = golden();
    for (size_t s = 0; s < 2; ++s) {
      SequenceState state;
      pass<R>(model, sequences(g)[s], &state);
      EXPECT_EQ(state.tokens, static_cast<int64_t>(sequences(g)[s].size()));
      for (int64_t layer = 0; layer < model.arch().sizes().n_layer; ++layer) {
        const std::string ssm = fmt::format("state_f64.{}.{}.ssm", s, layer),
                          conv = fmt::format("state_f64.{}.{}.conv", s, layer);
        const auto* found =
            static_cast<const R*>(state.get(fmt::format("blocks.{}.mixer.glr", layer), g.shape(ssm), kType<R>));
        ASSERT_NE(found, nullptr);
        const std::vector<double> S = g.reals<double>(ssm);  // [d_inner, d_state]
        EXPECT_TRUE(agree(std::span(found, S.size()), std::span<const double>(S), kLogits<R>)) << ssm;
        const int64_t D = g.shape(conv)[0], past = g.shape(conv)[1];
        const auto* inputs =
            static_cast<const R*>(state.get(fmt::format("blocks.{}.mixer.conv", layer), {past, D}, kType<R>));
        ASSERT_NE(inputs, nullptr);
        std::vector<R> transposed;  // [d_inner, d_conv - 1] from [d_conv - 1, d_inner]
        for (int64_t d = 0; d < D; ++d) {
          for (int64_t k = 0; k < past; ++k) transposed.push_back(inputs[k * D + d]);
        }
        EXPECT_TRUE(agree(transposed, g.reals<double>(conv), kLogits<R>)) << conv;
      }
    }
  }

  template <class R>
  void gradients() const {
    const Model model = load<R>();
    const GoldenFile g = golden();
    const Packed p = pack(sequences(g));
    GradTable grads(model.weights(), kType<R>);
    grads.zero();
    CtxOptions options;
    options.compute = kType<R>;
    options.record = true;
    options.grads = &grads;
    Input input;
    input.tokens = p.tokens;
    input.cu_seqlens = p.cu;
    Ctx ctx(input, options);
    std::vector<double> losses(p.tokens.size());
    ops::cross_entropy(ctx, model.arch().head(), model.arch().forward(ctx), p.targets, p.weight, losses);
    ctx.backward(training_rules());
    double sum = 0, targets = 0;
    for (size_t t = 0; t < losses.size(); ++t) {
      sum += losses[t] * static_cast<double>(p.weight[t]);
      targets += static_cast<double>(p.weight[t]);
    }
    EXPECT_TRUE(agree(sum / targets, g.reals<double>("loss_f64")[0], kLogits<R>));
    expect_gradients<R>(model, grads, g, targets);
  }
};

TEST_P(GoldenMamba, LogitsF32) { logits<float>(); }
TEST_P(GoldenMamba, LogitsF64) { logits<double>(); }
TEST_P(GoldenMamba, StatesF32) { states<float>(); }
TEST_P(GoldenMamba, StatesF64) { states<double>(); }
TEST_P(GoldenMamba, GradientsF32) { gradients<float>(); }
TEST_P(GoldenMamba, GradientsF64) { gradients<double>(); }

TEST_P(GoldenMamba, WrittenAndReadAgain) {
  const Model model = load<float>();
  const Scratch folder;
  model.save(folder.path(), DType::kF32);
  const Model again = Model::load(folder.path());
  const std::vector<int32_t> tokens = golden().ids("tokens.0");
  EXPECT_EQ(pass<float>(again, tokens), pass<float>(model, tokens));
}

INSTANTIATE_TEST_SUITE_P(
    Models, GoldenMamba,
    ::testing::Values(Case{"mamba_tied", "mamba_tied"}, Case{"mamba_bias_untied", "mamba_bias_untied"},
                      Case{"mamba_bias_untied_sharded", "mamba_bias_untied"}, Case{"falcon_untied", "falcon_untied"},
                      Case{"falcon_bias_tied", "falcon_bias_tied"}, Case{"state_spaces", "state_spaces"}),
    [](const auto& test) { return std::string(test.param.model); });

}  // namespace
}  // namespace hindscan
