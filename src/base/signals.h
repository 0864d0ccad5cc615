// Stopping politely: the first SIGINT, SIGTERM or SIGHUP sets a flag that long loops poll, the second one kills.
#pragma once
#include <csignal>

#include "base/error.h"

namespace hindscan {

// Thrown by throw_if_stopped(); its code is the exit code of a process ended by that signal (130, 143, 129).
class Stopped : public Error {
 public:
  explicit Stopped(int signal);
  int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

int stop_signal() noexcept;  // 0 while nobody asked to stop
inline bool stop_requested() noexcept { return stop_signal() != 0; }
void throw_if_stopped();
// Returns when a read of this descriptor would not wait (data, end or error); Stopped as soon as a signal asks for it.
void wait_readable(int fd);

// Installs the handlers for its scope; system calls that wait are interrupted. A signal that was ignored before (nohup,
// a background job) stays ignored.
class StopHandlers {
 public:
  StopHandlers();
  ~StopHandlers();
  StopHandlers(const StopHandlers&) = delete;
  StopHandlers& operator=(const StopHandlers&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[3];
};

}  // namespace hindscan
