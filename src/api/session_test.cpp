// Sessions do what the program does, and keep their own promises: forks, places to come back to, shared passes.
#include <gtest/gtest.h>

#include <thread>

#include "api/test_support.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"

namespace hindscan {
namespace {

TEST(Session, WritesWhatGenerateWrites) {
  for (const Generation& options :
       {Generation{.max_tokens = 12},
        Generation{.max_tokens = 12, .temperature = 0.9, .repeat_penalty = 1.3, .seed = 5}}) {
    Session session(english());
    session.feed("He opened the door and");
    const Session before = session.fork();
    const Continuation written = session.generate(options);
    EXPECT_EQ(written.text, english().generate("He opened the door and", options));
    EXPECT_EQ(written.tokens.size(), written.log_probs.size());
    EXPECT_EQ(session.tokens(), before.tokens() + static_cast<int64_t>(written.tokens.size()));
    EXPECT_EQ(Session(before).generate(options).text, written.text) << "a fork stays where it was";
  }
}

// Pieces end between words, where the tokenizer would end a token anyway.
TEST(Session, TextsInPiecesAreReadAsOne) {
  Session whole(english()), pieces(english());
  whole.feed(kText);
  for (const char* piece : {"He opened the door", " and went into the room,", " and shut the"}) pieces.feed(piece);
  EXPECT_EQ(whole.tokens(), pieces.tokens());
  EXPECT_TRUE(agree(pieces.logits(), whole.logits(), tol::kF32Forward));
  EXPECT_EQ(pieces.generate({.max_tokens = 6}).text, whole.generate({.max_tokens = 6}).text);
}

TEST(Session, GoesBackToWhatItKept) {
  Session session(english());
  session.feed("Once upon a time");
  const size_t start = session.keep();
  const std::vector<float> logits(session.logits().begin(), session.logits().end());
  const std::string first = session.generate({.max_tokens = 8}).text;
  session.feed(" the end of the story");
  session.rewind(start);
  EXPECT_EQ(std::vector<float>(session.logits().begin(), session.logits().end()), logits);
  EXPECT_EQ(session.generate({.max_tokens = 8}).text, first);
  EXPECT_EQ(code_of([&] { session.rewind(1); }), ErrorCode::kUsage);
}

TEST(Session, SavedAndLoadedGoesOnAlike) {
  const Scratch scratch;
  const std::string path = scratch.at("state");
  Session session(english());
  session.feed("He opened the door and went");
  session.save(path);
  Session loaded = Session::load(english(), path);
  EXPECT_EQ(loaded.tokens(), session.tokens());
  EXPECT_EQ(code_of([&] { loaded.logits(); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] { loaded.generate(); }), ErrorCode::kUsage);
  session.feed(" into the room");
  loaded.feed(" into the room");
  EXPECT_EQ(loaded.generate({.max_tokens = 6}).text, session.generate({.max_tokens = 6}).text);
}

TEST(Session, SeveralReadInOnePassAsEachAlone) {
  const std::vector<std::string> texts = {"Once upon a time there was a king who", "He shut the", "The door"};
  std::vector<Session> together(texts.size(), Session(english()));
  std::vector<Session*> sessions;
  std::vector<std::vector<int32_t>> tokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    sessions.push_back(&together[i]);
    tokens.push_back(english().encode(texts[i]));
  }
  Session::feed(sessions, tokens);
  for (size_t i = 0; i < texts.size(); ++i) {
    Session alone(english());
    alone.feed(tokens[i]);
    EXPECT_TRUE(agree(together[i].logits(), alone.logits(), tol::kF32Forward)) << texts[i];
    EXPECT_EQ(together[i].tokens(), alone.tokens());
  }
  sessions[2] = sessions[0];
  EXPECT_EQ(code_of([&] { Session::feed(sessions, tokens); }), ErrorCode::kUsage);
}

// NOLINTBEGIN(bugprone-use-after-move,performance-move-const-arg): what was moved away is what is tested
TEST(Session, WhatWasMovedAwaySaysSoUntilAnotherIsPutThere) {
  Session session(english());
  session.feed("Once upon a time");
  Session there = std::move(session);
  const std::vector<int32_t> token{1};
  Session *gone = &session, *none = nullptr;
  for (const std::function<void()>& use : std::vector<std::function<void()>>{
           [&] { session.feed("a"); }, [&] { session.logits(); }, [&] { session.generate(); },
           [&] { session.tokens(); }, [&] { session.keep(); }, [&] { session.rewind(0); },
           [&] { session.save("/nonexistent"); }, [&] { session.model(); }, [&] { session = Session(session); },
           [&] {
             Session::feed({&gone, 1}, {&token, 1});
           },
           [&] {
             Session::feed({&none, 1}, {&token, 1});
           },
           [&] { english().explain("a", {.after = gone}); }})
    EXPECT_EQ(code_of(use), ErrorCode::kUsage);
  session = there;
  EXPECT_EQ(session.tokens(), there.tokens());
}

TEST(Session, ModelsExplanationsAndCancelsAreNeverEmpty) {
  LanguageModel model = english();
  LanguageModel there = std::move(model);
  EXPECT_EQ(model.name(), there.name());
  Explanation why = english().explain("a", {.methods = "row", .causal_edits = 0});
  Explanation other = std::move(why);
  EXPECT_EQ(why.tokens().size(), other.tokens().size());
  Cancel cancel;
  Cancel same = std::move(cancel);
  cancel.request();
  EXPECT_TRUE(same.requested());
}
// NOLINTEND(bugprone-use-after-move,performance-move-const-arg)

TEST(Session, TwoThreadsShareAModel) {
  const std::string alone[] = {english().generate("Once upon a time", {.max_tokens = 10}),
                               english().generate("He opened the", {.max_tokens = 10})};
  std::string together[2];
  std::thread other([&] {
    Session session(english());
    session.feed("Once upon a time");
    together[0] = session.generate({.max_tokens = 10}).text;
  });
  Session session(english());
  session.feed("He opened the");
  together[1] = session.generate({.max_tokens = 10}).text;
  other.join();
  EXPECT_EQ(together[0], alone[0]);
  EXPECT_EQ(together[1], alone[1]);
}

}  // namespace
}  // namespace hindscan
