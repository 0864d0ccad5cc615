#include "model/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/log.h"
#include "base/mmap.h"
#include "base/testing/compare.h"
#include "io/vocabulary_file.h"

namespace hindscan {
namespace {

// Embeddings as drawn are so small that every logit is nearly the same.
Model enlarged(const Config& config) {
  Model model = Model::create(config, DType::kF32, 5);
  float* table = static_cast<float*>(model.weights()[0].data);
  for (int64_t i = 0; i < model.weights()[0].size(); ++i) table[i] *= 50;
  return model;
}

Model tiny(int64_t end_id = -1, bool with_tokenizer = true) {
  Config config;
  config.set("model_type", std::string("mamba"));
  config.set("hidden_size", int64_t{16});
  config.set("num_hidden_layers", int64_t{2});
  config.set("vocab_size", int64_t{4096});
  config.set("state_size", int64_t{4});
  if (end_id >= 0) config.set("eos_token_id", end_id);
  Model model = enlarged(config);
  if (!with_tokenizer) return model;
  const std::string path = std::string(HINDSCAN_SOURCE_DIR) + "/models/english/tokenizer.json";
  std::string json = read_file(path);
  auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_json(json, path));
  model.set_tokenizer(std::move(tokenizer), std::move(json));
  return model;
}

std::vector<int32_t> ids(const Generated& g) {
  std::vector<int32_t> out;
  for (const GeneratedToken& t : g.tokens) out.push_back(t.id);
  return out;
}

GenerateOptions sampled(int64_t n) {
  GenerateOptions o;
  o.max_tokens = n;
  o.sampling.seed = 3;
  o.ignore_end = true;
  return o;
}

const std::vector<int32_t> kPrompt = {300, 301, 302, 303, 304};

TEST(Generate, SplitPromptsGiveTheSameTokens) {
  const Model model = tiny();
  SequenceState whole, parts;
  const Generated once = generate(model, kPrompt, whole, sampled(12));
  generate(model, std::span(kPrompt).first(2), parts, sampled(0));
  EXPECT_EQ(parts.tokens, 2);
  GenerateOptions o = sampled(12);
  o.chunk = 1;
  EXPECT_EQ(ids(generate(model, std::span(kPrompt).subspan(2), parts, o)), ids(once));
  EXPECT_EQ(once.reason, StopReason::kLength);
  EXPECT_EQ(ids(once).size(), 12u);
}

TEST(Generate, CommitLastMovesTheStatePastTheLastToken) {
  const Model model = tiny();
  SequenceState open, committed;
  generate(model, kPrompt, open, sampled(4));
  GenerateOptions o = sampled(4);
  o.commit_last = true;
  generate(model, kPrompt, committed, o);
  EXPECT_EQ(open.tokens, 5 + 3);
  EXPECT_EQ(committed.tokens, 5 + 4);
}

TEST(Generate, StreamsExactlyTheText) {
  const Model model = tiny();
  SequenceState state;
  std::string streamed;
  const Generated g = generate(model, kPrompt, state, sampled(30), [&](std::string_view t) { streamed += t; });
  EXPECT_EQ(streamed, g.text);
  EXPECT_EQ(g.text, model.tokenizer().decode(ids(g)));
}

TEST(Generate, StopsBeforeAStopString) {
  const Model model = tiny();
  SequenceState first, second;
  const Generated whole = generate(model, kPrompt, first, sampled(30));
  GenerateOptions o = sampled(30);
  o.stop = {whole.text.substr(whole.text.size() / 2, 4)};
  const Generated cut = generate(model, kPrompt, second, o);
  EXPECT_EQ(cut.reason, StopReason::kStopString);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(o.stop[0])));
  EXPECT_LT(cut.tokens.size(), whole.tokens.size());
}

TEST(Generate, EndsAtTheEndOfTextToken) {
  SequenceState state;
  const Generated free = generate(tiny(), kPrompt, state, sampled(6));
  const Model ending = tiny(free.tokens[3].id);
  GenerateOptions o = sampled(6);
  o.ignore_end = false;
  SequenceState again;
  const Generated g = generate(ending, kPrompt, again, o);
  EXPECT_EQ(g.reason, StopReason::kEndOfText);
  EXPECT_LE(g.tokens.size(), 3u);
  EXPECT_EQ(end_of_text_ids(tiny()), std::vector{tiny().tokenizer().eos_id()});
}

TEST(CaseA6, EveryOneOfSeveralEndTokensEndsTheText) {
  Config config = tiny().config();
  config.set_list<int64_t>("eos_token_id", {17, 3, 4096, 99999, -1});  // the last three are no tokens
  const Model model = Model::create(config, DType::kF32, 5);
  EXPECT_EQ(end_of_text_ids(model), (std::vector<int32_t>{3, 17}));
  config.set_list<int64_t>("eos_token_id", {});
  EXPECT_TRUE(end_of_text_ids(Model::create(config, DType::kF32, 5)).empty());

  SequenceState free_state;
  const Generated free = generate(tiny(), kPrompt, free_state, sampled(6));
  const int32_t end = free.tokens[3].id;
  for (const std::vector<int64_t>& ids : {std::vector<int64_t>{end, 0}, std::vector<int64_t>{0, end}}) {
    config = tiny().config();
    config.set_list<int64_t>("eos_token_id", ids);
    GenerateOptions o = sampled(6);
    o.ignore_end = false;
    SequenceState state;
    EXPECT_EQ(generate(enlarged(config), kPrompt, state, o).reason, StopReason::kEndOfText);
  }
}

TEST(CaseA6, GenerationConfigSaysWhatEndsATextAndHowToSample) {
  Config model, generation("generation_config.json");
  model.set("eos_token_id", int64_t{1});
  EXPECT_EQ(read_generation(model, {}, 10).end_ids, std::vector<int32_t>{1});
  EXPECT_EQ(read_generation(model, generation, 10).end_ids, std::vector<int32_t>{1});
  generation.set_list<int64_t>("eos_token_id", {2, 5});
  generation.set("temperature", 0.6);
  generation.set("top_p", 0.9);
  const GenerationAdvice both = read_generation(model, generation, 10);
  EXPECT_EQ(both.end_ids, (std::vector<int32_t>{2, 5}));
  EXPECT_EQ(both.sampling, (std::vector<std::pair<std::string, double>>{{"temperature", 0.6}, {"top_p", 0.9}}));
  EXPECT_FALSE(both.greedy);
  generation.set("do_sample", false);
  EXPECT_TRUE(read_generation(model, generation, 10).greedy);
  EXPECT_TRUE(read_generation(model, generation, 10).sampling.empty());
  generation.set("eos_token_id", "end");
  EXPECT_THROW(read_generation(model, generation, 10), Error);
}

TEST(CaseA6, WhatTheGenerationConfigAsksForAndRunDoesNotDoIsSaid) {
  Config model;
  const auto said = [&](const std::string& key, ConfigValue value) {
    Config generation("generation_config.json");
    generation.set(key, std::move(value));
    std::vector<std::string> remarks;
    const LogSink before = set_log_sink([&](LogLevel, std::string_view text) { remarks.emplace_back(text); });
    read_generation(model, generation, 10);
    set_log_sink(before);
    return remarks.size() == 1 ? remarks[0] : fmt::format("{} remarks", remarks.size());
  };
  EXPECT_THAT(said("num_beams", int64_t{4}), ::testing::HasSubstr("also asks for num_beams"));
  EXPECT_THAT(said("no_repeat_ngram_size", int64_t{3}), ::testing::HasSubstr("no_repeat_ngram_size"));
  EXPECT_THAT(said("suppress_tokens", ConfigValue::List{int64_t{1}}), ::testing::HasSubstr("suppress_tokens"));
  EXPECT_THAT(said("a_new_key", 1.0), ::testing::HasSubstr("1 key that this version does not know"));
  EXPECT_EQ(said("num_beams", int64_t{1}), "0 remarks");
  EXPECT_EQ(said("typical_p", 1.0), "0 remarks");
  EXPECT_THAT(said("typical_p", 0.9), ::testing::HasSubstr("also asks for typical_p"));
  EXPECT_EQ(said("suppress_tokens", ConfigValue::List{}), "0 remarks");
  EXPECT_EQ(said("max_new_tokens", int64_t{20}), "0 remarks");
}

TEST(Generate, TokensBeyondTheTokenizersVocabularyHaveNoText) {
  Model model = tiny(-1, false);
  model.set_tokenizer(byte_tokenizer_json(), "bytes");
  SequenceState state;
  const Generated g = generate(model, kPrompt, state, sampled(8));
  EXPECT_EQ(g.tokens.size(), 8u);
  const std::vector<int32_t> drawn = ids(g);
  EXPECT_GT(*std::max_element(drawn.begin(), drawn.end()), 255);
}

TEST(Generate, LogProbabilitiesAreTheModels) {
  const Model model = tiny(-1, false);
  SequenceState state;
  GenerateOptions o = sampled(1);
  o.top_log_probs = 4096;
  o.sampling.temperature = 0;
  const Generated g = generate(model, kPrompt, state, o);
  ASSERT_EQ(g.tokens[0].top.size(), 4096u);
  double total = 0;
  for (const TokenChoice& c : g.tokens[0].top) total += std::exp(c.log_prob);
  EXPECT_TRUE(agree(total, 1, tol::kF64Total));
  EXPECT_EQ(g.tokens[0].id, g.tokens[0].top[0].id);
  EXPECT_EQ(g.tokens[0].log_prob, g.tokens[0].top[0].log_prob);
  EXPECT_TRUE(g.text.empty());
}

TEST(Generate, DamagedWeightsAreDataErrors) {
  Model model = tiny(-1, false);
  static_cast<float*>(model.weights()[0].data)[0] = std::numeric_limits<float>::quiet_NaN();
  SequenceState state;
  const std::vector<int32_t> prompt = {0};
  try {
    generate(model, prompt, state, sampled(1));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
  }
}

}  // namespace
}  // namespace hindscan
