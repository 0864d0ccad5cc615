#include "base/threads.h"

#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string_view>

namespace hindscan {

namespace {

constexpr int kAgree = 2;                                // looks
constexpr double kLookEvery = 0.01;                      // seconds
constexpr double kRunning = 0.8;                         // of the time: below, threads come late
constexpr double kFirstPause = 0.25, kLongestPause = 8;  // seconds

double seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The "r" of "0.42 0.31 0.20 r/186 4711": what runs or waits for a core at this moment, we included.
std::optional<int> runnable() {
  const int file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  char text[128];
  const ssize_t n = read(file, text, sizeof text);
  close(file);
  const std::string_view all(text, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  const size_t slash = all.find('/'), space = all.rfind(' ', slash);
  int out = 0;
  if (slash == std::string_view::npos || space == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(all.data() + space + 1, all.data() + slash, out);
  return error == std::errc() && end == all.data() + slash ? std::optional(out) : std::nullopt;
}

// Of those besides `ours`, the share that falls to the cores we may use.
std::optional<int> others(int ours) {
  const std::optional<int> all = runnable();
  cpu_set_t mine;
  if (!all || sched_getaffinity(0, sizeof mine, &mine) != 0) return std::nullopt;
  const long online = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  return static_cast<int>(std::max(0, *all - ours) * std::min<long>(CPU_COUNT(&mine), online) / online);
}

struct Sharing {
  ThreadGovernor governor;
  double looked, ran;
};
thread_local std::optional<Sharing> sharing;  // of the thread that asked: only it changes its team

}  // namespace

ThreadGovernor::ThreadGovernor(int most, std::optional<int> others)
    : most_(most), threads_(free(others)), pause_(kFirstPause) {}

int ThreadGovernor::free(std::optional<int> others) const { return std::clamp(most_ - others.value_or(0), 1, most_); }

int ThreadGovernor::look(const CoreUse& use) {
  const int room = free(use.others);
  fewer_ = room < threads_ ? fewer_ + 1 : 0;
  more_ = room > threads_ && use.now >= hold_until_ ? more_ + 1 : 0;
  late_ = threads_ > 1 && use.running < kRunning ? late_ + 1 : 0;
  if (late_ == 0 && use.now > hold_until_ + 4 * pause_) pause_ = kFirstPause;
  if (late_ >= kAgree) {
    threads_ = std::min(std::max(1, threads_ / 2), room);
    hold_until_ = use.now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  } else if (fewer_ >= kAgree || more_ >= kAgree) {
    threads_ = room;
  } else {
    return threads_;
  }
  fewer_ = more_ = late_ = 0;
  return threads_;
}

void share_cores() {
  sharing.emplace(Sharing{ThreadGovernor(omp_get_max_threads(), others(1)), seconds(CLOCK_MONOTONIC),
                          seconds(CLOCK_THREAD_CPUTIME_ID)});
  omp_set_num_threads(sharing->governor.threads());
}

void reconsider_threads() {
  if (!sharing) return;
  const double now = seconds(CLOCK_MONOTONIC), since = now - sharing->looked;
  if (since < kLookEvery) return;
  const double ran = seconds(CLOCK_THREAD_CPUTIME_ID);
  const int before = sharing->governor.threads();
  const int after = sharing->governor.look({now, others(before), (ran - sharing->ran) / since});
  sharing->looked = now;
  sharing->ran = ran;
  if (after != before) omp_set_num_threads(after);
}

}  // namespace hindscan
