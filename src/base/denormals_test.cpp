#include "base/denormals.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <limits>
#include <thread>

namespace hindscan {
namespace {

bool halves_the_smallest() {
  volatile float smallest = std::numeric_limits<float>::min();
  volatile float half = smallest * 0.5f;
  return half > 0;
}

TEST(Denormals, AreZeroOnTheThreadThatAsksAndThoseItStarts) {
  bool here = true, started = true;
  std::thread([&] {
    flush_denormals();
    here = halves_the_smallest();
    std::thread([&] { started = halves_the_smallest(); }).join();
  }).join();
  EXPECT_FALSE(here);
  EXPECT_FALSE(started);
  EXPECT_TRUE(halves_the_smallest()) << "this thread asked for nothing";
}

// How many threads of a team of three see them.
int seen_by_team() {
  std::atomic<int> seen = 0;
#pragma omp parallel num_threads(3)
  seen += halves_the_smallest() ? 1 : 0;
  return seen;
}

TEST(Denormals, OfATeamAreZeroForAScopeAlone) {
  std::thread([] {  // a team of its own
    omp_set_num_threads(3);
    ASSERT_EQ(seen_by_team(), 3);
    {
      const FlushedDenormals outer;
      EXPECT_EQ(seen_by_team(), 0);
      {
        const FlushedDenormals inner;
        EXPECT_EQ(seen_by_team(), 0);
      }
      EXPECT_EQ(seen_by_team(), 0);
    }
    EXPECT_EQ(seen_by_team(), 3);
  })
      .join();
}

}  // namespace
}  // namespace hindscan
