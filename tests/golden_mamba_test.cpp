// Whole models against Hugging Face: logits, states and every gradient; and one pass = any split = packed = restored.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

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

// Logits of a pass, [T, vocab]; advances the states.
template <class R>
std::vector<R> pass(const Model& model, const Input& input) {
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, options);
  const Var h = model.arch().forward(ctx);                         // [T, d_model]
  const Var logits = ctx.linear(model.arch().head(), nullptr, h);  // [T, vocab]
  ctx.commit();
  const R* first = ctx.data<R>(logits);
  return {first, first + ctx.rows(logits) * ctx.cols(logits)};
}

template <class R>
std::vector<R> pass(const Model& model, std::span<const int32_t> tokens, SequenceState* state = nullptr) {
  Input input;
  input.tokens = tokens;
  if (state != nullptr) input.states = {state};
  return pass<R>(model, input);
}

template <class R>
std::vector<R> in_chunks(const Model& model, std::span<const int32_t> tokens, size_t chunk, SequenceState& state) {
  std::vector<R> all;
  for (size_t t = 0; t < tokens.size(); t += chunk) {
    const std::vector<R> rows = pass<R>(model, tokens.subspan(t, std::min(chunk, tokens.size() - t)), &state);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
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
  void gradients(bool recompute) const {
    const Model model = load<R>();
    const GoldenFile g = golden();
    const Packed p = pack(sequences(g));
    GradTable grads(model.weights(), kType<R>);
    grads.zero();
    CtxOptions options;
    options.compute = kType<R>;
    options.record = true;
    options.recompute = recompute;
    options.grads = &grads;
    Input input;
    input.tokens = p.tokens;
    input.cu_seqlens = p.cu;
    Ctx ctx(input, options);
    std::vector<double> losses(p.tokens.size());
    ctx.cross_entropy(model.arch().head(), model.arch().forward(ctx), p.targets, p.weight, losses);
    ctx.backward(training_rules());
    double sum = 0, targets = 0;
    for (size_t t = 0; t < losses.size(); ++t) {
      sum += losses[t] * static_cast<double>(p.weight[t]);
      targets += static_cast<double>(p.weight[t]);
    }
    EXPECT_TRUE(agree(sum / targets, g.reals<double>("loss_f64")[0], kLogits<R>));
    expect_gradients<R>(model, grads, g, targets);
  }

  // Reverse mode in time chunks: states forward, then the adjoint of the carried state from the last chunk to the
  // first.
  template <class R>
  void gradients_in_chunks(size_t chunk) const {
    const Model model = load<R>();
    const GoldenFile g = golden();
    GradTable grads(model.weights(), kType<R>);
    grads.zero();
    for (const std::vector<int32_t>& sequence : sequences(g)) {
      const Packed p = pack({sequence});
      const size_t T = sequence.size();
      std::vector<SequenceState> starts(1);
      for (size_t t = 0; t + chunk < T; t += chunk) {
        SequenceState next = starts.back();
        pass<R>(model, std::span(sequence).subspan(t, chunk), &next);
        starts.push_back(std::move(next));
      }
      SequenceState adjoint;
      for (size_t c = starts.size(); c-- > 0;) {
        const size_t begin = c * chunk, n = std::min(chunk, T - begin);
        Input input;
        input.tokens = std::span(sequence).subspan(begin, n);
        input.states = {&starts[c]};
        CtxOptions options;
        options.compute = kType<R>;
        options.record = true;
        options.recompute = c % 2 == 0;
        options.grads = &grads;
        Ctx ctx(input, options);
        std::vector<double> losses(n);
        ctx.cross_entropy(model.arch().head(), model.arch().forward(ctx), std::span(p.targets).subspan(begin, n),
                          std::span(p.weight).subspan(begin, n), losses);
        ctx.adjoint_in[0] = adjoint;
        ctx.backward(training_rules());
        adjoint = ctx.adjoint_out[0];
      }
    }
    expect_gradients<R>(model, grads, g, 46);
  }

  template <class R>
  void splits() const {
    const Model model = load<R>();
    for (const std::vector<int32_t>& tokens : sequences(golden())) {
      const std::vector<R> whole = pass<R>(model, tokens);
      for (size_t chunk : {1, 2, 3, 5, 8, 16, 17, 36}) {
        SequenceState state;
        EXPECT_TRUE(agree(in_chunks<R>(model, tokens, chunk, state), whole, kSplit<R>)) << "chunks of " << chunk;
      }
      SequenceState state;  // a prompt, then one token at a time
      const size_t prompt = tokens.size() / 2;
      std::vector<R> rows = pass<R>(model, std::span(tokens).first(prompt), &state);
      const std::vector<R> steps = in_chunks<R>(model, std::span(tokens).subspan(prompt), 1, state);
      rows.insert(rows.end(), steps.begin(), steps.end());
      EXPECT_TRUE(agree(rows, whole, kSplit<R>));
    }
  }

  template <class R>
  void packed() const {
    const Model model = load<R>();
    const auto all = sequences(golden());
    std::vector<R> apart;
    for (const std::vector<int32_t>& tokens : all) {
      const std::vector<R> rows = pass<R>(model, tokens);
      apart.insert(apart.end(), rows.begin(), rows.end());
    }
    const Packed p = pack(all);
    SequenceState a, b;
    Input input;
    input.tokens = p.tokens;
    input.cu_seqlens = p.cu;
    input.states = {&a, &b};
    EXPECT_TRUE(agree(pass<R>(model, input), apart, kSplit<R>));
    EXPECT_EQ(a.tokens, 37);
    EXPECT_EQ(b.tokens, 11);

    // The second halves of both, packed in the other order, each from its own state.
    SequenceState first, second;
    pass<R>(model, std::span(all[0]).first(20), &first);
    pass<R>(model, std::span(all[1]).first(4), &second);
    std::vector<int32_t> rest(all[1].begin() + 4, all[1].end());
    rest.insert(rest.end(), all[0].begin() + 20, all[0].end());
    input = {};
    input.tokens = rest;
    input.cu_seqlens = {0, 7, 24};
    input.states = {&second, &first};
    const auto V = static_cast<int64_t>(apart.size()) / 48;
    std::vector<R> expected(apart.begin() + 41 * V, apart.end());
    expected.insert(expected.end(), apart.begin() + 20 * V, apart.begin() + 37 * V);
    EXPECT_TRUE(agree(pass<R>(model, input), expected, kSplit<R>));

    // One sequence with a reset where the second begins.
    std::vector<uint8_t> resets(p.tokens.size(), 0);
    resets[37] = 1;
    SequenceState end;
    input = {};
    input.tokens = p.tokens;
    input.resets = resets;
    input.states = {&end};
    EXPECT_TRUE(agree(pass<R>(model, input), apart, kSplit<R>));
    ASSERT_EQ(end.slots().size(), b.slots().size());
    for (const auto& [name, slot] : b.slots()) {
      const auto* found = static_cast<const R*>(end.get(name, slot.shape, slot.dtype));
      const auto* ref = static_cast<const R*>(b.get(name, slot.shape, slot.dtype));
      const size_t n = slot.bytes.size() / sizeof(R);
      EXPECT_TRUE(agree(std::span(found, n), std::span(ref, n), kSplit<R>)) << name;
    }
  }

  template <class R>
  void restored() const {
    const Model model = load<R>();
    const std::vector<int32_t> tokens = golden().ids("tokens.0");
    const std::string path =
        ::testing::TempDir() + "golden_mamba_" + GetParam().model + (kDouble<R> ? ".f64" : ".f32") + ".state";
    SequenceState state;
    pass<R>(model, std::span(tokens).first(13), &state);
    save_state(real_fs(), path, state, model);
    SequenceState fork = state, back = load_state(path, model);
    std::filesystem::remove(path);
    EXPECT_EQ(back.tokens, 13);
    const std::span<const int32_t> rest = std::span(tokens).subspan(13);
    const std::vector<R> expected = pass<R>(model, rest, &state);
    EXPECT_EQ(pass<R>(model, rest, &fork), expected);  // to the last bit
    EXPECT_EQ(pass<R>(model, rest, &back), expected);
  }
};

TEST_P(GoldenMamba, LogitsF32) { logits<float>(); }
TEST_P(GoldenMamba, LogitsF64) { logits<double>(); }
TEST_P(GoldenMamba, StatesF32) { states<float>(); }
TEST_P(GoldenMamba, StatesF64) { states<double>(); }
TEST_P(GoldenMamba, GradientsF32) { gradients<float>(false); }
TEST_P(GoldenMamba, GradientsF64) { gradients<double>(false); }
TEST_P(GoldenMamba, GradientsRecomputedF32) { gradients<float>(true); }
TEST_P(GoldenMamba, GradientsRecomputedF64) { gradients<double>(true); }
TEST_P(GoldenMamba, GradientsInTimeChunksF32) { gradients_in_chunks<float>(8); }
TEST_P(GoldenMamba, GradientsInTimeChunksF64) {
  for (size_t chunk : {1, 2, 7, 36}) gradients_in_chunks<double>(chunk);
}
TEST_P(GoldenMamba, AnySplitF32) { splits<float>(); }
TEST_P(GoldenMamba, AnySplitF64) { splits<double>(); }
TEST_P(GoldenMamba, PackedF32) { packed<float>(); }
TEST_P(GoldenMamba, PackedF64) { packed<double>(); }
TEST_P(GoldenMamba, SavedAndRestoredF32) { restored<float>(); }
TEST_P(GoldenMamba, SavedAndRestoredF64) { restored<double>(); }

TEST_P(GoldenMamba, RunnerGivesTheSameLogits) {
  const Model model = load<float>();
  const std::vector<int32_t> tokens = golden().ids("tokens.0");
  const std::vector<double> ref = golden().reals<double>("logits_f64.0");
  const auto V = static_cast<int64_t>(ref.size() / tokens.size());
  Runner runner(model, 10);
  SequenceState state;
  std::vector<float> rows(ref.size(), NAN);
  runner.logits(tokens, state, [&](int64_t first, int64_t count, const float* at) {
    std::copy(at, at + count * V, rows.begin() + first * V);
  });
  EXPECT_TRUE(agree(rows, ref, kSplit<float>));

  SequenceState fresh;
  std::vector<double> log_probs(tokens.size());
  runner.score(tokens, fresh, log_probs);
  for (size_t t = 1; t < tokens.size(); ++t) {
    const double* row = ref.data() + static_cast<int64_t>(t - 1) * V;
    double sum = 0;
    for (int64_t v = 0; v < V; ++v) sum += std::exp(row[v]);
    EXPECT_TRUE(agree(log_probs[t], row[tokens[t]] - std::log(sum), tol::kF32LogProb)) << t;
  }
}

TEST_P(GoldenMamba, WrittenAndReadAgain) {
  const Model model = load<float>();
  const std::string folder = ::testing::TempDir() + "golden_mamba_saved_" + GetParam().model;
  std::filesystem::remove_all(folder);
  model.save(folder, DType::kF32);
  const Model again = Model::load(folder);
  std::filesystem::remove_all(folder);
  const std::vector<int32_t> tokens = golden().ids("tokens.0");
  EXPECT_EQ(pass<float>(again, tokens), pass<float>(model, tokens));
}

// 16-bit matrices are exact numbers: the same as the rounded weights in double, and near the model they came from.
TEST_P(GoldenMamba, SixteenBitStorage) {
  const Model model = load<float>();
  const std::vector<int32_t> tokens = golden().ids("tokens.0");
  for (DType type : {DType::kBF16, DType::kF16}) {
    const std::string folder = ::testing::TempDir() + "golden_mamba_16_" + GetParam().model;
    std::filesystem::remove_all(folder);
    model.save(folder, type);
    const Model narrow = Model::load(folder), wide = Model::load(folder, {DType::kF64});
    std::filesystem::remove_all(folder);
    const std::vector<float> found = pass<float>(narrow, tokens);
    EXPECT_TRUE(agree(found, pass<double>(wide, tokens), kLogits<float>));
    SequenceState state;
    EXPECT_TRUE(agree(in_chunks<float>(narrow, tokens, 1, state), found, kSplit<float>));
    const Tolerance rounding = type == DType::kBF16 ? tol::kBf16Storage.times(0.1) : tol::kF16Storage.times(0.15);
    EXPECT_TRUE(agree(found, golden().reals<double>("logits_f64.0"), rounding));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, GoldenMamba,
    ::testing::Values(Case{"mamba_tied", "mamba_tied"}, Case{"mamba_bias_untied", "mamba_bias_untied"},
                      Case{"mamba_bias_untied_sharded", "mamba_bias_untied"}, Case{"falcon_untied", "falcon_untied"},
                      Case{"falcon_bias_tied", "falcon_bias_tied"}, Case{"state_spaces", "state_spaces"}),
    [](const auto& test) { return std::string(test.param.model); });

}  // namespace
}  // namespace hindscan
