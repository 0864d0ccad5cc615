// Progress as lines of the JSON log: the outermost task, every ten seconds and at its end; work under two seconds says
// nothing.
#pragma once
#include <chrono>
#include <string>

#include "base/progress.h"

namespace hindscan::cli {

class ProgressLog : public ProgressSink {
 public:
  using Clock = std::chrono::steady_clock;
  explicit ProgressLog(std::function<Clock::time_point()> now = Clock::now) : now_(std::move(now)) {}
  void begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) override;
  void advance(uint64_t done, std::string_view note) override;
  void end() override;

 private:
  void line(std::string_view note, bool finished);
  std::function<Clock::time_point()> now_;
  int depth_ = 0;
  std::string what_, unit_;
  uint64_t total_ = 0, first_ = 0, done_ = 0;
  Clock::time_point start_{}, said_{};
  bool shown_ = false;
};

}  // namespace hindscan::cli
