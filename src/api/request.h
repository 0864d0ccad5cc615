// A request of the library: what may take it back, and whom it tells how far it is.
#pragma once
#include "base/denormals.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/signals.h"
#include "hindscan/request.h"

namespace hindscan {

// What a request says of it; Error(kUsage) for less than nothing.
inline int64_t memory_limit(int64_t bytes) {
  check(bytes >= 0, ErrorCode::kUsage, "[memory] expected mem_limit of 0 (what there is) or more bytes, found {}",
        bytes);
  return bytes;
}

// The outermost task of a request, told to its caller.
class CallerProgress final : public ProgressSink {
 public:
  explicit CallerProgress(const OnProgress& tell) : tell_(tell) {}
  ProgressSink* sink() { return tell_ ? this : nullptr; }
  void begin(std::string_view what, std::string_view unit, uint64_t total, uint64_t done) override {
    if (++depth_ > 1) return;
    what_ = what;
    unit_ = unit;
    total_ = total;
    advance(done, {});
  }
  void advance(uint64_t done, std::string_view) override {
    if (depth_ == 1) tell_({what_, unit_, done, total_});
  }
  void end() override { --depth_; }

 private:
  const OnProgress& tell_;
  std::string what_, unit_;
  uint64_t total_ = 0;
  int depth_ = 0;
};

// For its scope the calling thread works on this request: so do callbacks, to which tiny numbers are zero as well.
// Options outlive it.
class CallerRequest {
 public:
  CallerRequest(const Cancel* cancel, const OnProgress& on_progress)
      : scope_(cancel == nullptr ? nullptr : cancel->flag()), progress_(on_progress) {
    throw_if_stopped();
  }
  ProgressSink* progress() { return progress_.sink(); }

 private:
  RequestScope scope_;
  FlushedDenormals small_;
  CallerProgress progress_;
};

}  // namespace hindscan
