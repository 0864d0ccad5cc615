// Progress of long work: the library reports steps to a sink, the program decides what a person sees of them.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hindscan {

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  // total 0: unknown. done > 0 at the start: resumed work, left out of the rate.
  virtual void begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) = 0;
  virtual void advance(uint64_t done, std::string_view note) = 0;
  virtual void end() = 0;
};

// One piece of work; ends with its scope. A null sink is silence.
class ProgressTask {
 public:
  ProgressTask(ProgressSink* sink, std::string_view what, std::string_view unit, uint64_t total, uint64_t done = 0)
      : sink_(sink), done_(done) {
    if (sink_) sink_->begin(what, unit, total, done);
  }
  ~ProgressTask() {
    if (sink_) sink_->end();
  }
  ProgressTask(const ProgressTask&) = delete;
  ProgressTask& operator=(const ProgressTask&) = delete;

  void step(uint64_t count = 1, std::string_view note = {}) { set(done_ + count, note); }
  void set(uint64_t done, std::string_view note = {}) {
    done_ = done;
    if (sink_) sink_->advance(done, note);
  }

 private:
  ProgressSink* sink_;
  uint64_t done_;
};

// Pieces of work that follow one another as one task of `total` units; `shares` of it, in order, are theirs.
class JoinedProgress : public ProgressSink {
 public:
  JoinedProgress(ProgressSink* sink, std::string_view what, std::string_view unit, uint64_t total)
      : task_(sink, what, unit, total), total_(total) {}
  void set_shares(std::vector<double> shares) { shares_ = std::move(shares); }
  void begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) override;
  void advance(uint64_t done, std::string_view note) override;
  void end() override;

 private:
  ProgressTask task_;
  uint64_t total_, part_total_ = 0;
  std::vector<double> shares_{1.0};
  size_t part_ = 0;    // pieces that are done
  double before_ = 0;  // share of the pieces that are done
  int depth_ = 0;
};

// How far the outermost task is.
struct ProgressState {
  std::string what, unit;
  uint64_t total = 0;            // 0: unknown
  uint64_t first = 0, done = 0;  // first > 0: resumed work
  double seconds = 0;
  std::string_view note;
  bool finished = false;
};

// Shows the outermost task every so many seconds and at its end; work under two seconds shows nothing.
class TimedProgress : public ProgressSink {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  using Show = std::function<void(const ProgressState&)>;
  TimedProgress(double every, Show show, Now now = Clock::now)
      : every_(every), show_(std::move(show)), now_(std::move(now)) {}

  void begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) override;
  void advance(uint64_t done, std::string_view note) override;
  void end() override;

 private:
  void show(Clock::time_point now, std::string_view note);

  double every_;
  Show show_;
  Now now_;
  int depth_ = 0;
  ProgressState state_;
  Clock::time_point start_{}, shown_at_{};
  bool shown_ = false;
};

inline constexpr double kProgressLineSeconds = 10;  // between lines, of text or of a log

enum class ProgressMode { kNone, kLines, kBar };

// Bar where file descriptor fd is a terminal that can redraw a line, lines on one that cannot, else nothing.
ProgressMode progress_mode(int fd);

// Text for a person: a bar that redraws itself, or a line every ten seconds; null where there is nothing to show.
std::unique_ptr<TimedProgress> progress_text(ProgressMode mode, std::function<void(std::string_view)> write,
                                             int columns = 80, TimedProgress::Now now = TimedProgress::Clock::now);

std::string format_count(double value);       // 950, 14.2k, 1.3M
std::string format_duration(double seconds);  // 12s, 3m05s, 1h02m

}  // namespace hindscan
