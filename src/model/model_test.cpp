// Hugging Face directories written and read back, and what a wrong one is told.
#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "io/safetensors.h"

namespace hindscan {
namespace {

Config tiny(bool tied = true) {
  Config c;
  c.set("model_type", std::string("mamba"));
  c.set("hidden_size", int64_t{8});
  c.set("num_hidden_layers", int64_t{2});
  c.set("state_size", int64_t{4});
  c.set("vocab_size", int64_t{19});
  c.set("tie_word_embeddings", tied);
  return c;
}

std::vector<float> last_logits(const Model& model) {
  SequenceState state;
  Runner runner(model);
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5};
  const std::span<const float> logits = runner.step(tokens, state);
  return {logits.begin(), logits.end()};
}

TEST(Model, SavedAndLoadedGivesTheSameBits) {
  for (const uint64_t shard_bytes : {kShardBytes, uint64_t{600}}) {
    const Scratch dir;
    const Model model = Model::create(tiny(false), DType::kF32, 5);
    model.save(dir.path(), DType::kF32, shard_bytes);
    EXPECT_EQ(real_fs().kind(join_path(dir.path(), "model.safetensors.index.json")) == FileKind::kRegular,
              shard_bytes == 600);
    EXPECT_EQ(last_logits(Model::load(dir.path())), last_logits(model));
  }
}

TEST(Model, ChangingTheNumberOfShardsLeavesNoOldOnes) {
  const Scratch dir;
  const Model first = Model::create(tiny(), DType::kF32, 1), second = Model::create(tiny(), DType::kF32, 2);
  first.save(dir.path(), DType::kF32, 600);
  second.save(dir.path(), DType::kF32);
  EXPECT_EQ(last_logits(Model::load(dir.path())), last_logits(second));
  first.save(dir.path(), DType::kF32, 600);
  EXPECT_EQ(last_logits(Model::load(dir.path())), last_logits(first));
}

TEST(Model, SixteenBitStorageRoundsMatricesOnly) {
  const Scratch dir;
  const Model model = Model::create(tiny(), DType::kF32, 5);
  model.save(dir.path(), DType::kBF16);
  const Model loaded = Model::load(dir.path());
  EXPECT_EQ(loaded.weights()[0].dtype, DType::kBF16);
  const std::vector<float> a = last_logits(model), b = last_logits(loaded), c = last_logits(model.to(DType::kBF16));
  EXPECT_EQ(b, c);
  EXPECT_TRUE(agree(a, b, tol::kBf16Tiny));
  EXPECT_NE(a, b);
}

std::string load_error(const std::string& path, ErrorCode code) {
  try {
    Model::load(path);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.message();
  }
  ADD_FAILURE() << "no error";
  return {};
}

void write_config(const std::string& dir, const std::string& json) {
  write_file_atomic(real_fs(), join_path(dir, "config.json"), json);
}

TEST(Model, AWrongDirectoryIsToldWhatIsWrong) {
  const Scratch dir;
  EXPECT_THAT(load_error(dir.path() + "/none", ErrorCode::kNotFound),
              ::testing::HasSubstr("expected a model directory"));
  EXPECT_THAT(load_error(dir.path(), ErrorCode::kNotFound), ::testing::HasSubstr("config.json"));
  write_config(dir.path(), R"({"model_type": "gpt2"})");
  EXPECT_THAT(load_error(dir.path(), ErrorCode::kData), ::testing::HasSubstr("falcon_mamba"));
  write_config(dir.path(), R"({"model_type": "mamba", "hidden_size": "8"})");
  EXPECT_THAT(load_error(dir.path(), ErrorCode::kData), ::testing::HasSubstr("\"hidden_size\" must be an integer"));
}

TEST(Model, AllMismatchesAreListedAtOnce) {
  const Scratch dir;
  Model::create(tiny(), DType::kF32, 5).save(dir.path(), DType::kF32);
  write_config(
      dir.path(),
      R"({"model_type": "mamba", "hidden_size": 8, "num_hidden_layers": 3, "state_size": 5, "vocab_size": 19})");
  const std::string message = load_error(dir.path(), ErrorCode::kData);
  EXPECT_THAT(message, ::testing::HasSubstr("backbone.layers.0.mixer.A_log must be [16, 5] but is [16, 4]"));
  EXPECT_THAT(message, ::testing::HasSubstr("backbone.layers.2.norm.weight [8] is missing"));
  write_config(
      dir.path(),
      R"({"model_type": "mamba", "hidden_size": 8, "num_hidden_layers": 1, "state_size": 4, "vocab_size": 19})");
  EXPECT_THAT(load_error(dir.path(), ErrorCode::kData),
              ::testing::HasSubstr("backbone.layers.1.norm.weight is not a tensor of"));
}

TEST(Model, DimensionsBeyondMemoryAreAnErrorAndNoOverflow) {
  Config c = tiny();
  c.set("hidden_size", int64_t{1} << 24);
  c.set("expand", int64_t{1});
  c.set("num_hidden_layers", int64_t{10000});
  try {
    Model::create(c, DType::kF32, 1);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
  }
}

TEST(Model, NonFiniteWeightsAreFound) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64}) {
    Model model = Model::create(tiny(), DType::kF32, 5);
    EXPECT_EQ(find_non_finite(model.weights()), "");
    Weight& w = *model.weights().find("backbone.layers.1.mixer.out_proj.weight");
    static_cast<float*>(w.data)[7] = NAN;
    EXPECT_EQ(find_non_finite(model.to(dtype).weights()), "backbone.layers.1.mixer.out_proj.weight[7]");
  }
}

TEST(Model, AStateOfAnotherModelIsRefused) {
  const Scratch dir;
  const Model a = Model::create(tiny(), DType::kF32, 1), b = Model::create(tiny(), DType::kF32, 2);
  SequenceState state;
  const std::vector<int32_t> tokens = {1, 2, 3};
  Runner(a).step(tokens, state);
  const std::string path = join_path(dir.path(), "a.state");
  save_state(real_fs(), path, state, a);
  const SequenceState back = load_state(path, a);
  EXPECT_EQ(back.tokens, 3);
  ASSERT_FALSE(state.slots().empty());
  ASSERT_EQ(back.slots().size(), state.slots().size());
  for (const auto& [name, slot] : state.slots()) EXPECT_EQ(back.slots().at(name).bytes, slot.bytes) << name;
  EXPECT_THROW(load_state(path, b), Error);
  // Held in another type it is another model, which the message has to say.
  try {
    load_state(path, a.to(DType::kBF16));
    ADD_FAILURE() << "a state of f32 matrices was taken for bf16 ones";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_NE(e.message().find("held as bf16"), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("with the dtype that"), std::string::npos) << e.message();
  }
}

TEST(CaseA6, EndTokensComeFromTheDirectoryAndAreSaved) {
  const Scratch dir;
  Config c = tiny();
  c.set("eos_token_id", int64_t{2});
  Model::create(c, DType::kF32, 1).save(dir.path(), DType::kF32);
  EXPECT_EQ(Model::load(dir.path()).generation().end_ids, std::vector<int32_t>{2});
  write_file_atomic(real_fs(), join_path(dir.path(), "generation_config.json"), R"({"eos_token_id": [5, 3]})");
  const Model model = Model::load(dir.path());
  EXPECT_EQ(model.generation().end_ids, (std::vector<int32_t>{3, 5}));
  EXPECT_EQ(model.to(DType::kF64).generation().end_ids, model.generation().end_ids);
  const Scratch copy;
  model.save(copy.path(), DType::kF32);
  EXPECT_EQ(Model::load(copy.path()).generation().end_ids, model.generation().end_ids);
}

TEST(CaseC6, AStateOfTooManyTokensIsRefused) {
  const Scratch dir;
  const Model model = Model::create(tiny(), DType::kF32, 1);
  const std::string path = join_path(dir.path(), "a.state");
  SequenceState state;
  const std::vector<int32_t> tokens = {1, 2, 3};
  Runner(model).step(tokens, state);
  for (const int64_t count : {int64_t{INT64_MAX}, int64_t{1} << 48, int64_t{3}}) {
    state.tokens = count;
    save_state(real_fs(), path, state, model);
    if (count == 3)
      EXPECT_EQ(load_state(path, model).tokens, 3);
    else
      EXPECT_THROW(load_state(path, model), Error) << count;
  }
}

TEST(Runner, TokensOutsideTheVocabularyAreRefused) {
  const Model model = Model::create(tiny(), DType::kF32, 1);
  SequenceState state;
  const std::vector<int32_t> high = {1, 19}, low = {-1};
  EXPECT_THROW(Runner(model).step(high, state), Error);
  EXPECT_THROW(Runner(model).step(low, state), Error);
  EXPECT_TRUE(state.empty());
}

TEST(Runner, ScoresAgreeWithLogitsAtAnyChunk) {
  const Model model = Model::create(tiny(), DType::kF32, 3);
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  std::vector<double> reference(tokens.size()), scores(tokens.size());
  SequenceState start;
  Runner(model).logits(tokens, start, [&](int64_t first, int64_t count, const float* rows) {
    for (int64_t t = first; t < first + count && t + 1 < std::ssize(tokens); ++t) {
      const float* row = rows + (t - first) * 19;
      double sum = 0;
      for (int v = 0; v < 19; ++v) sum += std::exp(static_cast<double>(row[v]));
      reference[static_cast<size_t>(t + 1)] = row[tokens[static_cast<size_t>(t + 1)]] - std::log(sum);
    }
  });
  for (const int64_t chunk : {1, 2, 7, 512}) {
    SequenceState state;
    Runner(model, chunk).score(tokens, state, scores);
    EXPECT_TRUE(std::isnan(scores[0]));
    EXPECT_TRUE(agree(std::span(scores).subspan(1), std::span(reference).subspan(1), tol::kF32LogProb.times(0.2)))
        << chunk;
    EXPECT_EQ(state.tokens, std::ssize(tokens));
  }
}

// A soft cap and a scale of the head reach logits and scores alike.
TEST(Runner, CappedLogitsAndTheirScoresAgree) {
  PresetSizes sizes;
  sizes.d_model = 16;
  sizes.n_layer = 1;
  sizes.vocab_size = 19;
  int capped = 0;
  for (const std::string& name : architecture_names()) {
    const Config config = architecture_preset(name, sizes);
    const Model model = Model::create(config, DType::kF32, 3);
    if (model.arch().logit_head().soft_cap == 0) continue;
    ++capped;
    const double cap = model.arch().logit_head().soft_cap;
    const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
    std::vector<double> scores(tokens.size());
    SequenceState state, again;
    Runner(model).score(tokens, state, scores);
    Runner(model).logits(tokens, again, [&](int64_t first, int64_t count, const float* rows) {
      for (int64_t t = first; t < first + count && t + 1 < std::ssize(tokens); ++t) {
        const float* row = rows + (t - first) * 19;
        EXPECT_LE(std::abs(*std::max_element(row, row + 19)), cap);
        double sum = 0;
        for (int v = 0; v < 19; ++v) sum += std::exp(static_cast<double>(row[v]));
        EXPECT_TRUE(agree(scores[static_cast<size_t>(t + 1)], row[tokens[static_cast<size_t>(t + 1)]] - std::log(sum),
                          tol::kF32LogProb.times(0.2)))
            << name;
      }
    });
  }
  EXPECT_GE(capped, 2);
}

TEST(Runner, AClassifierIsNoLanguageModel) {
  PresetSizes sizes;
  sizes.d_model = 16;
  sizes.n_layer = 1;
  sizes.vocab_size = 19;
  for (const std::string& name : architecture_names()) {
    Config config = architecture_preset(name, sizes);
    config.set("pooling", std::string("mean"));
    config.set("num_labels", int64_t{3});
    const Model model = Model::create(config, DType::kF32, 3);
    SequenceState state;
    const std::vector<int32_t> tokens = {1};
    try {
      Runner(model).step(tokens, state);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData) << name;
      EXPECT_THAT(e.message(), ::testing::HasSubstr("expected a language model, found a classifier of 3 outputs"))
          << name;
    }
  }
}

}  // namespace
}  // namespace hindscan
