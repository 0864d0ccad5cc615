#include "train/save_plan.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

using std::chrono::seconds;

const SavePlan::Clock::time_point kStart{seconds(1000)};

TrainOptions every(int64_t steps, double time) {
  TrainOptions o;
  o.checkpoint_steps = steps;
  o.checkpoint_seconds = time;
  return o;
}

TEST(SavePlan, EverySoManyStepsAndSecondsAndNoStepTwice) {
  const TrainOptions steps = every(10, 0), time = every(0, 60), never = every(0, 0);
  SavePlan by_steps(steps, kStart), by_time(time, kStart);
  EXPECT_FALSE(by_steps.due(19, kStart + seconds(9999)));
  EXPECT_TRUE(by_steps.due(20, kStart));
  by_steps.succeeded(20, kStart);
  EXPECT_TRUE(by_steps.saved(20));
  EXPECT_FALSE(by_steps.due(20, kStart));
  EXPECT_TRUE(by_steps.due(30, kStart));
  EXPECT_FALSE(by_time.due(10, kStart + seconds(59)));
  EXPECT_TRUE(by_time.due(10, kStart + seconds(60)));
  by_time.succeeded(10, kStart + seconds(60));
  EXPECT_FALSE(by_time.due(11, kStart + seconds(119)));
  EXPECT_TRUE(by_time.due(11, kStart + seconds(120)));
  EXPECT_FALSE(SavePlan(never, kStart).due(10, kStart + seconds(9999)));
}

TEST(SavePlan, AfterAFailureTheNextTryWaitsLongerEachTimeAndAtMostAQuarterOfAnHour) {
  const TrainOptions options = every(10, 0);
  SavePlan plan(options, kStart);
  for (const int64_t wait : {15, 30, 60, 120, 240, 480, 900, 900}) {
    EXPECT_EQ(plan.failed(kStart), wait);
    EXPECT_FALSE(plan.due(20, kStart + seconds(wait - 1)));
    EXPECT_TRUE(plan.due(21, kStart + seconds(wait)));  // whatever the step: what failed is made up for
  }
  plan.succeeded(21, kStart);
  EXPECT_FALSE(plan.due(22, kStart));
  EXPECT_TRUE(plan.due(30, kStart));
  EXPECT_EQ(plan.failed(kStart), 15);
}

}  // namespace
}  // namespace hindscan
