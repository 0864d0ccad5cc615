#include "base/signals.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

TEST(Signals, TheFirstSetsTheFlagAndTheScopeClearsIt) {
  EXPECT_FALSE(stop_requested());
  throw_if_stopped();
  {
    StopHandlers handlers;
    raise(SIGTERM);
    EXPECT_EQ(stop_signal(), SIGTERM);
    try {
      throw_if_stopped();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), 143);
    }
  }
  EXPECT_FALSE(stop_requested());
}

TEST(SignalsDeathTest, TheSecondKills) {
  EXPECT_EXIT(
      {
        StopHandlers handlers;
        raise(SIGINT);
        if (!stop_requested()) _exit(3);
        raise(SIGINT);
        _exit(4);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Signals, AnIgnoredSignalStaysIgnored) {
  void (*before)(int) = std::signal(SIGHUP, SIG_IGN);
  {
    StopHandlers handlers;
    raise(SIGHUP);
    EXPECT_FALSE(stop_requested());
  }
  std::signal(SIGHUP, before);
}

}  // namespace
}  // namespace hindscan
