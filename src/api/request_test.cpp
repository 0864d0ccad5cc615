// A request that is taken back ends, alone.
#include <gtest/gtest.h>

#include <limits>

#include "api/test_support.h"

namespace hindscan {
namespace {

// One request of one thread; the same model goes on for others.
TEST(Cancelling, EndsTheRequestItWasGivenToAlone) {
  const Cancel cancel;
  std::string said;
  const Generation options{.max_tokens = 1000,
                           .on_text =
                               [&](std::string_view s) {
                                 said += s;
                                 if (said.size() > 20) cancel.request();
                               },
                           .cancel = &cancel};
  Session session(english());
  session.feed("Once upon a time");
  const Continuation written = session.generate(options);
  EXPECT_EQ(written.end, Continuation::End::kCancelled);
  EXPECT_LT(written.tokens.size(), 40u);
  EXPECT_EQ(session.generate({.max_tokens = 3}).tokens.size(), 3u) << "the session goes on";
  for (const std::function<void()>& request : std::vector<std::function<void()>>{
           [&] { english().explain(kText, {.cancel = &cancel}); }, [&] { english().score(kText, {.cancel = &cancel}); },
           [&] { english().matrix(kText, {.cancel = &cancel}); },
           [&] { english().effects(kText, {.cancel = &cancel}); }, [&] { session.feed("more", &cancel); }})
    EXPECT_EQ(code_of(request), ErrorCode::kCancelled);
  EXPECT_NO_THROW(english().score(kText));
}

// Denormals are slow where a long text ends among them; the caller's own are no business of a library.
TEST(Requests, CountTinyNumbersAsZeroWhileTheyLastAlone) {
  const auto half = [] {
    volatile float smallest = std::numeric_limits<float>::min();
    return smallest * 0.5f;
  };
  float inside = 1;
  const auto look = [&] { inside = half(); };
  const Generation written{.max_tokens = 2, .on_text = [&](std::string_view) { look(); }};
  const OnProgress progress = [&](const Progress&) { look(); };
  Session session(english());
  session.feed("Once upon");
  for (const std::function<void()>& request : std::vector<std::function<void()>>{
           [&] { english().generate("Once upon", written); }, [&] { session.generate(written); },
           [&] { english().score(kText, {.on_progress = progress}); },
           [&] { english().explain(kText, {.methods = "frozen", .on_progress = progress}); },
           [&] { english().matrix(kText, {.on_progress = progress}); },
           [&] { english().effects(kText, {.on_progress = progress}); }}) {
    inside = 1;
    request();
    EXPECT_EQ(inside, 0);
    EXPECT_GT(half(), 0);
  }
}

TEST(Requests, RefuseLessThanNothing) {
  for (const std::function<void()>& request : std::vector<std::function<void()>>{
           [] { english().generate("a", {.max_tokens = -1}); }, [] { english().explain(kText, {.causal_edits = -1}); },
           [] { english().explain(kText, {.mem_limit = -1}); }, [] { english().matrix(kText, {.mem_limit = -1}); },
           [] { english().explain(kText, {.contrast = ""}); }, [] { english().matrix(kText, {.blocks = -1}); },
           [] { english().effects(kText, {.max_tokens = 0}); }, [] { english().effects(kText, {.by = "letter"}); }})
    EXPECT_EQ(code_of(request), ErrorCode::kUsage);
}

TEST(Requests, ARunIsRefusedWhatItCannotMean) {
  const std::string run = "/nonexistent/run";
  for (const std::function<void()>& request : std::vector<std::function<void()>>{
           [&] { train_model({.arch = "gru", .task = "induction", .out = run, .length = -1}); },
           [&] { train_model({.arch = "gru", .task = "induction", .regression = true, .out = run}); },
           [&] { train_model({.arch = "gru", .task = "induction", .out = run, .steps = INT64_MAX}); }})
    EXPECT_EQ(code_of(request), ErrorCode::kUsage);
}

TEST(Requests, ALanguageModelJudgesNeitherTextsNorVectors) {
  EXPECT_EQ(code_of([] { english().classify("a text"); }), ErrorCode::kData);
  EXPECT_EQ(code_of([] { english().classify(std::vector<float>{1, 2}); }), ErrorCode::kData);
}

TEST(Cancelling, StopsInTheMiddleOfALongText) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += kText;
  const Cancel cancel;
  uint64_t seen = 0, total = 0;
  const OnProgress stop = [&](const Progress& p) {
    seen = p.done;
    total = p.total;
    if (p.done > p.total / 10) cancel.request();
  };
  EXPECT_EQ(code_of([&] { english().score(text, {.cancel = &cancel, .on_progress = stop}); }), ErrorCode::kCancelled);
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, total / 2);
}

}  // namespace
}  // namespace hindscan
