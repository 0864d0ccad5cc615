#include "base/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace hindscan {
namespace {

std::atomic<int> g_signal{0};
thread_local const std::atomic<bool>* t_request = nullptr;  // true: taken back
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only use lock-free atomics");

// The handler writes to it, so that a wait ends whichever thread got the signal, however shortly before the wait.
std::atomic<int> g_wake_write{-1};
int g_wake_read = -1;

extern "C" void hindscan_on_stop_signal(int signal) {
  const int saved = errno;
  g_signal.store(signal, std::memory_order_relaxed);
  const int fd = g_wake_write.load(std::memory_order_relaxed);
  [[maybe_unused]] const ssize_t written = fd >= 0 ? ::write(fd, "", 1) : 0;  // a full pipe wakes as well
  errno = saved;
}

}  // namespace

Stopped::Stopped(int signal)
    : Error(static_cast<ErrorCode>(128 + signal), fmt::format("stopped by signal {}", signal)), signal_(signal) {}

Stopped::Stopped() : Error(ErrorCode::kCancelled, "cancelled by its caller"), signal_(0) {}

StopCheck::StopCheck() noexcept : request_(t_request) {}

RequestScope::RequestScope(const std::atomic<bool>* cancelled) noexcept : before_(t_request) { t_request = cancelled; }
RequestScope::~RequestScope() { t_request = before_; }

int stop_signal() noexcept { return g_signal.load(std::memory_order_relaxed); }

void throw_if_stopped() {
  if (const int signal = stop_signal()) throw Stopped(signal);
  if (StopCheck().cancelled()) throw Stopped();
}

void wait_readable(int fd) {
  pollfd waits[2] = {{fd, POLLIN, 0}, {g_wake_read, POLLIN, 0}};  // a descriptor of -1 is passed over
  while (::poll(waits, 2, -1) < 0 && errno == EINTR) throw_if_stopped();
  throw_if_stopped();
}

StopHandlers::StopHandlers() {
  int ends[2] = {-1, -1};
  if (g_wake_read < 0 && ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {  // kept to the end of the process
    g_wake_read = ends[0];
    g_wake_write.store(ends[1], std::memory_order_relaxed);
  }
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = hindscan_on_stop_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, nullptr);
  }
}

StopHandlers::~StopHandlers() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  char drained[64];
  while (g_wake_read >= 0 && ::read(g_wake_read, drained, sizeof drained) > 0) {
  }
  g_signal.store(0, std::memory_order_relaxed);
}

}  // namespace hindscan
