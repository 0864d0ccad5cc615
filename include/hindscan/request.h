// What every request may carry: a way to take it back, and somebody to tell how far it is.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace hindscan {

// Takes back the requests it was given to, from any thread; copies are the same. A request that is taken back throws
// Error(kCancelled) within a chunk of tokens (generating: ends with what there is).
class Cancel {
 public:
  Cancel() = default;
  Cancel(const Cancel&) = default;  // moving copies as well
  Cancel& operator=(const Cancel&) = default;

  void request() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool requested() const noexcept { return flag_->load(std::memory_order_relaxed); }
  const std::atomic<bool>* flag() const noexcept { return flag_.get(); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

struct Progress {
  std::string_view what, unit;   // "explain", "tokens"
  uint64_t done = 0, total = 0;  // total 0: unknown
};
// Called from the thread of the request (where numbers too small to be normal count as zero meanwhile), or, while data
// are read, from another one at a time. May throw to stop.
using OnProgress = std::function<void(const Progress&)>;

}  // namespace hindscan
