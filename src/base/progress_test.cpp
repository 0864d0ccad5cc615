#include "base/progress.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace hindscan {
namespace {

struct Screen {
  std::vector<std::string> writes;
  TimedProgress::Clock::time_point time{};
  std::unique_ptr<TimedProgress> printer(ProgressMode mode, int columns = 200) {
    return progress_text(
        mode, [this](std::string_view text) { writes.emplace_back(text); }, columns, [this] { return time; });
  }
  void wait(int milliseconds) { time += std::chrono::milliseconds(milliseconds); }
};

TEST(Progress, WorkUnderTwoSecondsShowsNothing) {
  for (ProgressMode mode : {ProgressMode::kBar, ProgressMode::kLines}) {
    Screen screen;
    const auto printer = screen.printer(mode);
    {
      ProgressTask task(printer.get(), "scan", "tok", 10);
      for (int i = 0; i < 10; ++i) {
        screen.wait(190);
        task.step();
      }
    }
    EXPECT_TRUE(screen.writes.empty());
  }
}

TEST(Progress, BarShowsRateAndEtaAndClearsItself) {
  Screen screen;
  const auto printer = screen.printer(ProgressMode::kBar);
  {
    ProgressTask task(printer.get(), "scoring", "tok", 40000);
    screen.wait(10000);
    task.set(10000, "ppl 21.5");
    screen.wait(50);
    task.set(10001);  // too soon after the last drawing
  }
  ASSERT_EQ(screen.writes.size(), 2u);
  EXPECT_EQ(screen.writes[0],
            "\rscoring  #######-----------------------  25%  10.0k/40.0k tok  1.0k tok/s  ETA 30s  ppl 21.5\x1b[K");
  EXPECT_EQ(screen.writes[1], "\r\x1b[K");
}

TEST(CaseD2, PiecesOfWorkAreOneBarThatCountsEachTokenOnce) {
  struct Sink final : ProgressSink {
    std::vector<uint64_t> done;
    int begun = 0, ended = 0;
    void begin(std::string_view what, std::string_view, uint64_t total, uint64_t) override {
      EXPECT_EQ(what, "explain");
      EXPECT_EQ(total, 1000u);
      ++begun;
    }
    void advance(uint64_t d, std::string_view) override { done.push_back(d); }
    void end() override { ++ended; }
  } sink;
  {
    JoinedProgress joined(&sink, "explain", "tokens", 1000);
    joined.set_shares({0.75, 0.25});
    {
      ProgressTask read(&joined, "explain", "tokens", 40);
      read.set(20);
      ProgressTask inner(&joined, "inside", "rows", 7);  // not a piece of its own
      inner.set(7);
    }
    ProgressTask causal(&joined, "causal check", "edits", 10);
    causal.set(0);
    causal.set(10);
  }
  EXPECT_EQ(sink.done, (std::vector<uint64_t>{375, 750, 1000}));
  EXPECT_EQ(sink.begun, 1);
  EXPECT_EQ(sink.ended, 1);
}

TEST(Progress, BarFitsTheTerminal) {
  Screen screen;
  const auto printer = screen.printer(ProgressMode::kBar, 20);
  ProgressTask task(printer.get(), "scoring", "tok", 40000);
  screen.wait(3000);
  task.set(1);
  EXPECT_EQ(screen.writes.at(0), "\rscoring  ----------\x1b[K");
}

TEST(Progress, ResumedWorkCountsOnlyItsOwnStepsInTheRate) {
  Screen screen;
  const auto printer = screen.printer(ProgressMode::kLines);
  {
    ProgressTask task(printer.get(), "train", "step", 1000, 900);
    screen.wait(10000);
    task.set(950);
    screen.wait(5000);
    task.set(975);
  }
  ASSERT_EQ(screen.writes.size(), 2u) << "lines come every ten seconds";
  EXPECT_EQ(screen.writes[0], "train  95%  950/1.0k step  5 step/s  ETA 10s\n");
  EXPECT_EQ(screen.writes[1], "train: 75 step in 15s\n");
}

TEST(Progress, OnlyTheOutermostTaskIsDrawn) {
  Screen screen;
  const auto printer = screen.printer(ProgressMode::kLines);
  ProgressTask outer(printer.get(), "outer", "layer", 4);
  screen.wait(5000);
  {
    ProgressTask inner(printer.get(), "inner", "tok", 10);
    screen.wait(5000);
    inner.step();
  }
  EXPECT_TRUE(screen.writes.empty());
  outer.step();
  EXPECT_EQ(screen.writes.at(0), "outer  25%  1/4 layer  0.1 layer/s  ETA 30s\n");
}

TEST(Progress, UnknownTotalAndNullSink) {
  Screen screen;
  const auto printer = screen.printer(ProgressMode::kLines);
  ProgressTask task(printer.get(), "reading", "tok", 0);
  screen.wait(4000);
  task.step(8000);
  EXPECT_EQ(screen.writes.at(0), "reading  8.0k tok  2.0k tok/s\n");
  EXPECT_EQ(screen.printer(ProgressMode::kNone), nullptr);
  ProgressTask silent(nullptr, "nothing", "tok", 1);
  silent.step();
}

TEST(Progress, APipeIsQuiet) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  EXPECT_EQ(progress_mode(fds[1]), ProgressMode::kNone);
  close(fds[0]);
  close(fds[1]);
}

TEST(Progress, FormatsCountsAndDurations) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(0.25), "0.2");
  EXPECT_EQ(format_count(999.4), "999");
  EXPECT_EQ(format_count(999.9), "1.0k");
  EXPECT_EQ(format_count(999999), "1.0M");
  EXPECT_EQ(format_count(2.5e9), "2.5G");
  EXPECT_EQ(format_duration(59.2), "1m00s");
  EXPECT_EQ(format_duration(3725), "1h02m");
}

}  // namespace
}  // namespace hindscan
