// Stopping politely: the first SIGINT, SIGTERM or SIGHUP sets a flag that long loops poll, the second one kills. A
// caller of the library may take back a single request the same way.
#pragma once
#include <atomic>
#include <csignal>

#include "base/error.h"

namespace hindscan {

// Thrown by throw_if_stopped(); its code is the exit code of a process ended by that signal (130, 143, 129), or
// kCancelled.
class Stopped : public Error {
 public:
  explicit Stopped(int signal);
  Stopped();  // a request, not the process
  int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

int stop_signal() noexcept;  // 0 while nobody asked the process to stop

// Whether to stop: the process, or the request that the thread that made it works on. Copies go into other threads.
class StopCheck {
 public:
  StopCheck() noexcept;
  bool requested() const noexcept { return stop_signal() != 0 || cancelled(); }
  bool cancelled() const noexcept { return request_ != nullptr && request_->load(std::memory_order_relaxed); }

 private:
  const std::atomic<bool>* request_;
};
inline bool stop_requested() noexcept { return StopCheck().requested(); }
void throw_if_stopped();

// For its scope, the calling thread works on a request that may be taken back; null: on one that cannot.
class RequestScope {
 public:
  explicit RequestScope(const std::atomic<bool>* cancelled) noexcept;
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

 private:
  const std::atomic<bool>* before_;
};
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
