// Between two checkpoints, or after one that failed.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "train/options.h"

namespace hindscan {

// When to save: every so many steps, every so many seconds, and after a failure
// not before some time has passed.
class SavePlan {
 public:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point t, Clock::time_point now = Clock::now()) {
    return std::chrono::duration<double>(now - t).count();
  }

  explicit SavePlan(const TrainOptions& o, Clock::time_point now = Clock::now()) : options_(o), saved_at_(now) {}
  bool due(int64_t step, Clock::time_point now = Clock::now()) const {
    if (step == saved_step_ || now < retry_at_) return false;
    if (failures_ > 0) return true;
    const bool by_steps = options_.checkpoint_steps > 0 && step % options_.checkpoint_steps == 0;
    return by_steps || (options_.checkpoint_seconds > 0 && since(saved_at_, now) >= options_.checkpoint_seconds);
  }
  bool saved(int64_t step) const { return step == saved_step_; }
  void succeeded(int64_t step, Clock::time_point now = Clock::now()) {
    saved_step_ = step;
    saved_at_ = now;
    failures_ = 0;
    retry_at_ = {};
  }
  int64_t failed(Clock::time_point now = Clock::now()) {  // seconds until the next try
    const int64_t seconds = std::min<int64_t>(15 << std::min(failures_++, 6), 900);
    retry_at_ = now + std::chrono::seconds(seconds);
    return seconds;
  }

 private:
  const TrainOptions& options_;
  int64_t saved_step_ = -1;
  Clock::time_point saved_at_, retry_at_{};
  int failures_ = 0;
};

}  // namespace hindscan
