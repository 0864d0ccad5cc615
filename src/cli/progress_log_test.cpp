#include "cli/progress_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/streams.h"

namespace hindscan::cli {
namespace {

using ::testing::HasSubstr;
using Clock = TimedProgress::Clock;

TEST(ProgressLog, SaysNothingOfShortWorkAndEveryTenSecondsOfLong) {
  Clock::time_point now{};
  const auto at = [&](int seconds) { now = Clock::time_point(std::chrono::seconds(seconds)); };
  const auto log = progress_log([&] { return now; });
  ::testing::internal::CaptureStderr();
  {
    ProgressTask task(log.get(), "reading", "tok", 100);
    at(1);
    task.step(10);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ::testing::internal::CaptureStderr();
  at(0);
  {
    ProgressTask task(log.get(), "reading", "tok", 100);
    for (int s = 1; s <= 25; ++s) {
      at(s);
      { ProgressTask(log.get(), "inner", "tok", 5).step(); }
      task.set(static_cast<uint64_t>(s));
    }
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("inner"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;  // after 2, 12 and 22 seconds, and the end
  EXPECT_THAT(text, HasSubstr("\"event\":\"progress\",\"done\":12,\"total\":100,\"unit\":\"tok\",\"seconds\":12.0"));
  EXPECT_THAT(text, HasSubstr("\"done\":25,\"total\":100,\"unit\":\"tok\",\"seconds\":25.0,\"finished\":true"));
}

}  // namespace
}  // namespace hindscan::cli
