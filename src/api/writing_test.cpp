// Writing, scoring and judging through the library give what the rooms behind it give.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "api/test_support.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "core/classifier_config.h"
#include "model/encode_text.h"
#include "model/generate.h"
#include "model/predict.h"

namespace hindscan {
namespace {

const Model& inner() {
  static const Model model = Model::load(default_model_directory());
  return model;
}

TEST(Writing, EveryOptionReachesTheSampler) {
  const Generation warm{.max_tokens = 16, .temperature = 2, .seed = 3};
  using Set = std::pair<std::function<void(Generation&)>, std::function<void(GenerateOptions&)>>;
  const Set sets[] = {
      {[](Generation& g) { g.top_k = 2; }, [](GenerateOptions& o) { o.sampling.top_k = 2; }},
      {[](Generation& g) { g.top_p = 0.3; }, [](GenerateOptions& o) { o.sampling.top_p = 0.3; }},
      {[](Generation& g) { g.min_p = 0.3; }, [](GenerateOptions& o) { o.sampling.min_p = 0.3; }},
      {[](Generation& g) { g.repeat_penalty = 3; }, [](GenerateOptions& o) { o.sampling.repeat_penalty = 3; }},
      {[](Generation& g) { g.temperature = 0.4; }, [](GenerateOptions& o) { o.sampling.temperature = 0.4; }},
      {[](Generation& g) { g.seed = 4; }, [](GenerateOptions& o) { o.sampling.seed = 4; }},
      {[](Generation& g) { g.max_tokens = 3; }, [](GenerateOptions& o) { o.max_tokens = 3; }},
      {[](Generation& g) { g.stop = {"e"}; }, [](GenerateOptions& o) { o.stop = {"e"}; }},
  };
  const std::string plain = english().generate("The king", warm);
  for (const auto& [ask, set] : sets) {
    Generation options = warm;
    ask(options);
    GenerateOptions o;
    o.max_tokens = 16;
    o.sampling.temperature = 2;
    o.sampling.seed = 3;
    set(o);
    SequenceState state;
    const Generated want = generate(inner(), encode_text(inner(), "The king"), state, o);
    EXPECT_EQ(english().generate("The king", options), want.text);
    EXPECT_NE(want.text, plain) << "the option changes what is written";
  }
}

TEST(Writing, AContinuationSaysItsTokensAndHowProbableTheyWere) {
  Session session(english());
  session.feed("The king");
  const Continuation found = session.generate({.max_tokens = 8, .temperature = 1, .seed = 2, .stop = {"zzz"}});
  EXPECT_EQ(found.end, Continuation::End::kLength);
  EXPECT_EQ(english().decode(found.tokens), found.text);
  std::vector<int32_t> all = encode_text(inner(), "The king");
  const auto before = std::ssize(all);
  all.insert(all.end(), found.tokens.begin(), found.tokens.end());
  std::vector<double> log_probs(all.size());
  SequenceState state;
  Runner(inner()).score(all, state, log_probs);
  EXPECT_TRUE(
      agree(found.log_probs, std::vector<double>(log_probs.begin() + before, log_probs.end()), tol::kF32LogProb));
  const std::string stop = found.text.substr(2, 1);
  const Continuation stopped = Session(session).generate({.stop = {"e", "a", " "}});
  EXPECT_EQ(stopped.end, Continuation::End::kStop);
}

// A penalty looks back on what was written before, in whichever parts.
TEST(Writing, InTwoPartsIsWritingAtOnce) {
  Session once(english()), parts(english());
  for (Session* s : {&once, &parts}) s->feed("The king");
  const std::string whole = once.generate({.max_tokens = 24, .repeat_penalty = 1.5}).text;
  std::string joined;
  for (int part = 0; part < 3; ++part) joined += parts.generate({.max_tokens = 8, .repeat_penalty = 1.5}).text;
  EXPECT_EQ(joined, whole);
  Session forgetful(english());
  forgetful.feed("The king");
  EXPECT_NE(forgetful.generate({.max_tokens = 24}).text, whole) << "the penalty changes what is written";
}

TEST(Scoring, EveryFigureIsThatOfTheLogProbabilities) {
  const std::vector<int32_t> tokens = encode_text(inner(), kText);
  std::vector<double> log_probs(tokens.size());
  SequenceState state;
  Runner(inner()).score(tokens, state, log_probs);
  const Score found = english().score(kText);
  EXPECT_EQ(found.log_probs, std::vector<double>(log_probs.begin() + 1, log_probs.end()));
  double nats = 0;
  for (const double v : found.log_probs) nats -= v;
  const size_t bytes = std::strlen(kText) - inner().tokenizer().token_bytes(tokens[0]).size();
  EXPECT_TRUE(agree(found.perplexity, std::exp(nats / static_cast<double>(found.log_probs.size())), tol::kF64Sum));
  EXPECT_TRUE(agree(found.bits_per_byte, nats / std::numbers::ln2 / static_cast<double>(bytes), tol::kF64Sum));
  EXPECT_TRUE(english().score("The").log_probs.empty());
}

TEST(Classifying, VectorsAreJudgedAllTogether) {
  const Scratch scratch;
  ClassifierOptions o;
  o.num_labels = 3;
  o.feature_dim = 5;
  const Model model =
      Model::create(classifier_config(architecture_preset("gru", {.d_model = 16, .n_layer = 1, .vocab_size = 40}), o),
                    DType::kF32, 7);
  model.save(scratch.at("model"), DType::kF32);
  const LanguageModel loaded = LanguageModel::load(scratch.at("model"));
  EXPECT_EQ(loaded.feature_dim(), 5);
  EXPECT_EQ(loaded.vocab_size(), 0);
  std::vector<float> features;
  features.reserve(20);
  for (int i = 0; i < 20; ++i) features.push_back(std::sin(static_cast<float>(i)));
  Input input;
  input.features = features;
  input.feature_dim = 5;
  const std::vector<double> want = probabilities(predict(model, input));
  const Judgement found = loaded.classify(features);
  EXPECT_EQ(found.values, want);
  EXPECT_EQ(found.best, static_cast<size_t>(std::max_element(want.begin(), want.end()) - want.begin()));
  EXPECT_EQ(code_of([&] { loaded.classify(std::span(features).first(19)); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { loaded.classify("a text"); }), ErrorCode::kUsage);
}

// A tokenizer that puts a token before a text puts it before the first one alone.
TEST(Session, WhatStandsBeforeATextStandsBeforeTheFirstOne) {
  const Scratch scratch;
  Model model = Model::load(default_model_directory());
  std::string json = model.tokenizer_json();
  const std::string none = "\"post_processor\": null";
  ASSERT_NE(json.find(none), std::string::npos);
  json.replace(
      json.find(none), none.size(),
      R"("post_processor": {"type": "TemplateProcessing", "single": [)"
      R"({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], )"
      R"("pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], )"
      R"("special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}})");
  model.set_tokenizer(json, "tokenizer.json");
  model.save(scratch.at("model"), DType::kBF16);
  const LanguageModel begins = LanguageModel::load(scratch.at("model"));
  const auto whole = static_cast<int64_t>(begins.encode("He opened the door and shut the").size());
  ASSERT_EQ(whole, static_cast<int64_t>(english().encode("He opened the door and shut the").size()) + 1);
  Session session(begins);
  session.feed("He opened the door");
  const int64_t first = session.tokens();
  const Explanation tail = begins.explain(" and shut the", {.methods = "row", .causal_edits = 0, .after = &session});
  EXPECT_EQ(first + std::ssize(tail.tokens()), whole);
  EXPECT_EQ(first + begins.matrix(" and shut the", {.after = &session}).rows, whole);
  session.feed(" and shut the");
  EXPECT_EQ(session.tokens(), whole);
}

// What fails, also after a part of it was read, leaves every session where it was.
TEST(Session, AFailedFeedLeavesTheSessionsWhereTheyWere) {
  Session session(english()), other(english());
  session.feed("Once upon a time");
  other.feed("The king");
  const std::vector<float> logits(session.logits().begin(), session.logits().end());
  const std::vector<int32_t> tokens[] = {english().encode(" there was"), {1 << 30}};
  Session* const both[] = {&session, &other};
  EXPECT_EQ(code_of([&] { Session::feed(both, tokens); }), ErrorCode::kUsage);
  EXPECT_EQ(session.tokens(), std::ssize(english().encode("Once upon a time")));
  EXPECT_EQ(std::vector<float>(session.logits().begin(), session.logits().end()), logits);
}

}  // namespace
}  // namespace hindscan
