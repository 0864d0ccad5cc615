#include "base/denormals.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace hindscan
