// Every entry is the edit really run, whatever the family; words are the sums of their tokens.
#include "explain/position_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/signals.h"
#include "explain/families_test_support.h"
#include "explain/position_effects_plan.h"
#include "explain/run_edits.h"
#include "explain/target.h"

namespace hindscan {
namespace {

EffectsRequest effects_request(std::vector<int32_t> tokens = some_tokens()) {
  EffectsRequest r;
  r.tokens = std::move(tokens);
  r.by = PieceBy::kToken;
  return r;
}

// Of tokens a..b of the text, by a model that reads on from `before`.
double log_p_after(const Model& model, std::span<const int32_t> tokens, int32_t id, const SequenceState* before) {
  ExplainRequest r = request_for({tokens.begin(), tokens.end()});
  r.methods = parse_methods("rollout");
  r.target_id = id;
  r.contrast = Contrast::kNone;
  r.measure = "log-p";
  r.state_in = before;
  return explain(model, r).target.value();
}

// What the answer behind `position` loses without `count` tokens from `first` on, by run_edits().
double lost_by_run(const Model& model, const ExplainRequest& r, int64_t position, int32_t id, int64_t first,
                   int64_t count) {
  TargetReport target;
  target.position = position;
  target.id = id;
  target.measure = "log-p";
  const Edit edit{.kind = EditKind::kRemove, .position = first, .count = count};
  return 0 - run_edits(model, r, target, {&edit, 1})[0];
}

class PositionEffectsFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, PositionEffectsFamilies, ::testing::ValuesIn(cases_with_a_window()),
                         [](const auto& name) { return name.param; });

TEST_P(PositionEffectsFamilies, EveryEntryIsThatEditReallyRun) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const SequenceState before = state_after(model, std::vector<int32_t>{4, 9, 2});
  for (const SequenceState* state : {static_cast<const SequenceState*>(nullptr), &before}) {
    EffectsRequest r = effects_request();
    r.state_in = state;
    const PositionEffects e = position_effects(model, r);
    const auto T = std::ssize(r.tokens);
    ASSERT_EQ(e.size(), T);
    ASSERT_EQ(std::ssize(e.lost), T * T);
    ExplainRequest like = request_for(r.tokens);
    like.state_in = state;
    for (int64_t t = 0; t < T; ++t) {
      const std::span<const int32_t> read = std::span(r.tokens).first(static_cast<size_t>(t + 1));
      const int32_t id = t + 1 < T ? r.tokens[static_cast<size_t>(t + 1)] : e.next.id;
      const double log_p = log_p_after(model, read, id, state);
      ASSERT_TRUE(agree(e.log_p[static_cast<size_t>(t)], log_p, tol::kF64Complete)) << t;
      for (int64_t j = 0; j < T; ++j) {
        if (j > t || t == 0) {
          ASSERT_FALSE(e.asked(t, j));
          ASSERT_EQ(e.at(t, j), 0) << t << " " << j;
          continue;
        }
        const double want = j < t ? lost_by_run(model, like, t, id, j, 1)
                                  : log_p - log_p_after(model, read.first(static_cast<size_t>(t)), id, state);
        ASSERT_TRUE(agree(e.at(t, j), want, tol::kF64Complete)) << "answer " << t << " without " << j;
      }
    }
    EXPECT_GT(largest(e.lost), 1e-6);
  }
}

TEST_P(PositionEffectsFamilies, TheLastRowAsksForTheMostLikelyNextToken) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_for(some_tokens());
  r.methods = parse_methods("rollout");
  const TargetReport target = explain(model, r).target;
  const PositionEffects e = position_effects(model, effects_request());
  EXPECT_EQ(e.next.id, target.id);
  EXPECT_TRUE(agree(std::exp(e.log_p.back()), target.probability, tol::kF64Complete));
}

// Passes, and texts beside one another, as small memory asks for them change nothing.
TEST_P(PositionEffectsFamilies, FloatsAndLittleMemoryAgree) {
  const Model model = random_model(config_of(GetParam()), DType::kF64), narrow = model.to(DType::kF32);
  EffectsRequest r = effects_request();
  const PositionEffects wide = position_effects(model, r);
  EXPECT_TRUE(agree(position_effects(narrow, r).lost, wide.lost, tol::kF32LogProb));
  const EffectsPlan plan = plan_effects(model, r);
  r.mem_limit = 1;
  const EffectsPlan least = plan_effects(model, r);
  ASSERT_EQ(least.texts, 1);
  ASSERT_GT(plan.texts, 3);
  r.mem_limit = least.estimate.bytes + 2 * (plan.estimate.bytes - least.estimate.bytes) / (plan.texts - 1);
  ASSERT_EQ(plan_effects(model, r).texts, 3);
  EXPECT_TRUE(agree(position_effects(model, r).lost, wide.lost, tol::kF64Complete));
}

TEST_P(PositionEffectsFamilies, ClassifiersAreToldWhatToUse) {
  for (const bool vectors : {false, true}) {
    Config config = config_of(GetParam());
    config.set("pooling", std::string("mean"));
    config.set("num_labels", int64_t{4});
    if (vectors) config.set("feature_dim", int64_t{5});
    try {
      position_effects(random_model(config, DType::kF64), effects_request());
      FAIL() << "a matrix of answers that are not there";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
      EXPECT_THAT(e.message(), ::testing::HasSubstr("'hindscan explain'"));
      EXPECT_THAT(e.message(), ::testing::HasSubstr(vectors ? "reads vectors" : "judges whole texts"));
    }
  }
}

// Words, made of tokens that say something.
class PositionEffectsOfWords : public ::testing::Test {
 protected:
  PositionEffectsOfWords() : model(Model::load(default_model_directory()).to(DType::kF64)) {
    r.tokens = model.tokenizer().encode("The stranger sleepwalked unhappily");
  }
  // Every entry is the sum over the tokens of what follows, without the whole of what is taken out.
  void expect_sums(const PositionEffects& e) const {
    ExplainRequest like = request_for(r.tokens);
    for (int64_t row = e.first_row(); row < e.size(); ++row) {
      const Piece& asked = e.answers[static_cast<size_t>(row)];
      for (int64_t col = 0; col <= row; ++col) {
        const Piece& out = e.pieces[static_cast<size_t>(col)];
        double sum = 0;
        for (int64_t t = asked.first - 1; t < asked.last - 1; ++t) {
          const int32_t id = t + 1 < std::ssize(r.tokens) ? r.tokens[static_cast<size_t>(t + 1)] : e.next.id;
          const std::span<const int32_t> read = std::span(r.tokens).first(static_cast<size_t>(t + 1));
          if (out.last <= t)
            sum += lost_by_run(model, like, t, id, out.first, out.last - out.first);
          else
            sum += log_p_after(model, read, id, nullptr) -
                   log_p_after(model, read.first(static_cast<size_t>(out.first)), id, nullptr);
        }
        ASSERT_TRUE(agree(e.at(row, col), sum, tol::kF64Complete)) << asked.bytes << " without " << out.bytes;
      }
    }
  }

  const Model model;
  EffectsRequest r;
};

TEST_F(PositionEffectsOfWords, AreSumsOverTheTokensOfTheWordThatFollows) {
  const PositionEffects e = position_effects(model, r);
  EXPECT_EQ(e.by, PieceBy::kWord);
  ASSERT_LT(e.size(), std::ssize(r.tokens)) << "some words are several tokens";
  expect_sums(e);
}

TEST_F(PositionEffectsOfWords, SentencesAreTakenOutWhole) {
  r.tokens = model.tokenizer().encode("The king was old. He had a son. The son");
  r.by = PieceBy::kSentence;
  const PositionEffects e = position_effects(model, r);
  ASSERT_EQ(e.size(), 3);
  EXPECT_FALSE(e.asked(0, 0));
  expect_sums(e);
}

// What the tokenizer sets in front is no word: the first word is asked for, and may be taken out itself.
TEST_F(PositionEffectsOfWords, BeginBehindWhatTheTokenizerSetsInFront) {
  const int64_t words = position_effects(model, r).size();
  int32_t mark = 0;
  while (!model.tokenizer().is_special(mark)) ++mark;
  r.tokens.insert(r.tokens.begin(), mark);
  const PositionEffects e = position_effects(model, r);
  ASSERT_EQ(e.size(), words);
  EXPECT_EQ(e.pieces[0].bytes, "The");
  EXPECT_TRUE(e.asked(0, 0));
  EXPECT_NE(e.at(0, 0), 0);
  expect_sums(e);
  r.tokens = {mark};
  EXPECT_THROW(position_effects(model, r), Error);
}

// A weight that is no number, at a place that only some entries read.
TEST(PositionEffects, NoNumberIsMadeOfOneThatIsNone) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Model model = random_model(config_of("mamba2"), DType::kF64);
    const EffectsRequest r = effects_request();
    for (size_t i = 0; i < model.weights().size(); ++i) {
      Weight& w = model.weights()[i];
      if (&w == &model.arch().head()) static_cast<double*>(w.data)[r.tokens.back() * w.cols()] = bad;
    }
    try {
      position_effects(model, r);
      FAIL() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    }
  }
}

TEST(PositionEffects, LongTextsAreRefusedWithWhatTheyWouldTake) {
  const Model model = tiny_model(DType::kF32);
  EffectsRequest r = effects_request(std::vector<int32_t>(40, 7));
  r.max_tokens = 39;
  const auto refused = [&](ErrorCode code, const char* with) {
    bool estimated = false;
    r.on_estimate = [&](const EffectsEstimate&) { estimated = true; };
    try {
      position_effects(model, r);
      FAIL() << "expected: " << with;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.message();
      EXPECT_THAT(e.message(), ::testing::HasSubstr(with));
    }
    EXPECT_FALSE(estimated);
  };
  refused(ErrorCode::kResource, "938 tokens to read");  // 40 + 39 + 39 * 40 / 2, and one before each but the first
  r.max_tokens = 40;
  r.mem_limit = 1000;
  refused(ErrorCode::kResource, "expected at most 0 MiB");
  r.mem_limit = 0;
  r.max_tokens = 0;
  refused(ErrorCode::kUsage, "limit");
  r.max_tokens = 40;
  r.tokens = {7};
  refused(ErrorCode::kUsage, "at least two tokens");
  r.tokens = {};
  refused(ErrorCode::kUsage, "at least two tokens");
  r.tokens = {7, 161};
  refused(ErrorCode::kUsage, "161");
}

// What is said beforehand is what is read, step by step; and a run that is stopped gives nothing.
TEST(PositionEffects, ProgressCountsTheTokensThatTheEstimateSays) {
  class Sink : public ProgressSink {
   public:
    void begin(std::string_view, std::string_view, uint64_t all, uint64_t) override { total = all; }
    void advance(uint64_t now, std::string_view) override {
      EXPECT_GE(now, done);
      done = now;
      if (done > stop_at) fail(ErrorCode::kCancelled, "[test] stopped");
    }
    void end() override { ended = true; }
    uint64_t total = 0, done = 0, stop_at = std::numeric_limits<uint64_t>::max();
    bool ended = false;
  } sink;
  const Model model = tiny_model(DType::kF32);
  EffectsRequest r = effects_request(distinct_tokens(40));
  r.progress = &sink;
  int64_t read = 0;
  r.on_estimate = [&](const EffectsEstimate& e) {
    read = e.read;
    EXPECT_GT(e.seconds, 0);
  };
  position_effects(model, r);
  EXPECT_EQ(sink.total, static_cast<uint64_t>(read));
  EXPECT_EQ(sink.done, sink.total);
  sink.done = 0;
  sink.stop_at = sink.total / 2;
  EXPECT_THROW(position_effects(model, r), Error);
  EXPECT_TRUE(sink.ended);
}

}  // namespace
}  // namespace hindscan
