#include "base/threads.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <chrono>
#include <thread>

namespace hindscan {
namespace {

// A look every 10 ms.
struct Watch {
  ThreadGovernor governor;
  double now = 100;
  int look(std::optional<int> others, double running = 1) { return governor.look({now += 0.01, others, running}); }
  int looks(int n, std::optional<int> others, double running = 1) {
    for (int i = 1; i < n; ++i) look(others, running);
    return look(others, running);
  }
};

TEST(CaseD1, TheTeamLeavesCoresToOthersAndTakesThemBack) {
  EXPECT_EQ(ThreadGovernor(8, 3).threads(), 5);
  EXPECT_EQ(ThreadGovernor(2, 20).threads(), 1);
  Watch w{ThreadGovernor(4, 0)};
  EXPECT_EQ(w.look(0), 4);
  EXPECT_EQ(w.look(3), 4);  // a passing process
  EXPECT_EQ(w.look(0), 4);
  EXPECT_EQ(w.looks(2, 3), 1);
  EXPECT_EQ(w.look(0), 1);
  EXPECT_EQ(w.look(0), 4);
  EXPECT_EQ(w.looks(100, std::nullopt), 4);  // nothing known: as many as there are
}

// Nobody else is seen (another container), yet threads come late: fewer, and tried again after ever longer pauses.
TEST(CaseD1, ATeamThatWaitsForItsThreadsShrinksAndTriesAgainLaterEachTime) {
  Watch w{ThreadGovernor(4, 0)};
  EXPECT_EQ(w.looks(2, 0, 0.3), 2);
  EXPECT_EQ(w.looks(2, 0, 0.3), 1);
  EXPECT_EQ(w.looks(10, 0, 0.3), 1);  // one thread waits for nobody
  int with_more = 0, tries = 0, before = 1;
  for (int i = 0; i < 6000; ++i) {  // a minute
    const int n = w.look(0, w.governor.threads() > 1 ? 0.3 : 1);
    tries += n > before;
    with_more += n > 1;
    before = n;
  }
  EXPECT_GE(tries, 3);
  EXPECT_LE(tries, 12);
  EXPECT_LE(with_more, 60);
  EXPECT_EQ(w.looks(2000, 0, 1), 4);  // and takes the cores once they are free
}

TEST(CaseD1, OneWaitIsNoReason) {  // a checkpoint that is written, a page that is read
  Watch w{ThreadGovernor(2, 0)};
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(w.look(0, 0.1), 2);
    EXPECT_EQ(w.look(0, 1), 2);
  }
}

TEST(CaseD1, WithoutTheProgramsWishNothingChanges) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(before + 7);
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));  // longer than a look
    reconsider_threads();
    EXPECT_EQ(omp_get_max_threads(), before + 7);
  }
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace hindscan
