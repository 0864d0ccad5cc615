#include "base/signals.h"

#include <atomic>

namespace hindscan {
namespace {

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only use lock-free atomics");

extern "C" void hindscan_on_stop_signal(int signal) { g_signal.store(signal, std::memory_order_relaxed); }

}  // namespace

Stopped::Stopped(int signal)
    : Error(static_cast<ErrorCode>(128 + signal), fmt::format("stopped by signal {}", signal)), signal_(signal) {}

int stop_signal() noexcept { return g_signal.load(std::memory_order_relaxed); }

void throw_if_stopped() {
  if (const int signal = stop_signal()) throw Stopped(signal);
}

StopHandlers::StopHandlers() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = hindscan_on_stop_signal;
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, nullptr);
  }
}

StopHandlers::~StopHandlers() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  g_signal.store(0, std::memory_order_relaxed);
}

}  // namespace hindscan
