// What the interface says of every position is what is computed below it.
#include <gtest/gtest.h>

#include "api/test_support.h"
#include "base/testing/compare.h"
#include "explain/position_effects.h"
#include "explain/position_sentence.h"
#include "model/encode_text.h"

namespace hindscan {
namespace {

const Model& inner() {
  static const Model model = Model::load(default_model_directory());
  return model;
}

// Some of its words are several tokens.
constexpr const char* kLongWords = "He sleepwalked unhappily into the room, and shut the";

TEST(Effects, EveryOptionReachesTheRunAndEveryNumberComesBack) {
  Session before(english());
  before.feed("Once upon a time");
  SequenceState state;
  Runner(inner()).step(encode_text(inner(), "Once upon a time"), state);
  using Set = std::pair<EffectsOptions, std::function<void(EffectsRequest&)>>;
  const Set sets[] = {
      {{}, [](EffectsRequest&) {}},
      {{.by = "token"}, [](EffectsRequest& r) { r.by = PieceBy::kToken; }},
      {{.after = &before}, [&](EffectsRequest& r) { r.state_in = &state; }},
  };
  std::vector<std::vector<double>> all;
  for (const auto& [options, set] : sets) {
    EffectsRequest r;
    r.tokens = encode_text(inner(), kLongWords);
    set(r);
    const PositionEffects want = position_effects(inner(), r);
    const Effects found = english().effects(kLongWords, options);
    ASSERT_EQ(found.size(), want.size());
    EXPECT_EQ(found.by, piece_by_name(want.by));
    EXPECT_EQ(found.sentence, effects_sentence(want));
    EXPECT_TRUE(agree(found.lost, want.lost, tol::kEqual));
    EXPECT_TRUE(agree(found.log_p, want.log_p, tol::kEqual));
    for (int64_t p = 0; p < want.size(); ++p) {
      const auto at = static_cast<size_t>(p);
      EXPECT_EQ(found.taken_out[at].text, want.pieces[at].bytes);
      EXPECT_EQ(std::pair(found.asked[at].first, found.asked[at].last),
                std::pair(want.answers[at].first, want.answers[at].last));
      EXPECT_EQ(found.at(want.size() - 1, p), want.at(want.size() - 1, p));
      EXPECT_EQ(found.asked_of(p, 0), want.asked(p, 0));
    }
    for (const auto& other : all) EXPECT_NE(other, found.lost) << "the option changes what is found";
    all.push_back(found.lost);
  }
}

TEST(Effects, WhatIsTooLongOrTooLargeSaysWhatItWouldTake) {
  EXPECT_EQ(code_of([] { english().effects(kText, {.max_tokens = 5}); }), ErrorCode::kResource);
  EXPECT_EQ(code_of([] { english().effects(kText, {.mem_limit = 1 << 10}); }), ErrorCode::kResource);
  EXPECT_EQ(code_of([] { english().effects("", {}); }), ErrorCode::kUsage);
}

TEST(Effects, ProgressIsOneTaskThatOnlyGrowsAndCanBeTakenBack) {
  const Cancel cancel;
  uint64_t seen = 0, total = 0;
  const OnProgress stop = [&](const Progress& p) {
    EXPECT_EQ(p.what, "effects");
    EXPECT_GE(p.done, seen);
    seen = p.done;
    total = p.total;
    if (p.done > p.total / 2) cancel.request();
  };
  std::string text;
  for (int i = 0; i < 20; ++i) text += kText;
  EXPECT_EQ(code_of([&] { english().effects(text, {.cancel = &cancel, .on_progress = stop}); }), ErrorCode::kCancelled);
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, total);
}

}  // namespace
}  // namespace hindscan
