#include "model/text_stream.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace hindscan {

TextStream::TextStream(std::vector<std::string> stop) : stop_(std::move(stop)) {
  for (const std::string& s : stop_) check(!s.empty(), ErrorCode::kUsage, "[run] a stop string must not be empty");
}

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return {};
  pending_ += bytes;
  size_t at = std::string::npos;
  for (size_t i = 0; i < stop_.size(); ++i) {
    const size_t found = pending_.find(stop_[i]);
    if (found >= at) continue;
    at = found;
    which_ = i;
  }
  if (at != std::string::npos) {
    stopped_ = true;
    std::string out = pending_.substr(0, at);
    pending_.clear();
    return out;
  }
  const size_t ready = pending_.size() - held_back();
  std::string out = pending_.substr(0, ready);
  pending_.erase(0, ready);
  return out;
}

std::string TextStream::finish() {
  std::string out;
  out.swap(pending_);
  return out;
}

// Bytes at the end that may be the start of a stop string or of a code point.
size_t TextStream::held_back() const {
  size_t held = incomplete_utf8_suffix(pending_);
  for (const std::string& s : stop_) {
    for (size_t n = std::min(s.size() - 1, pending_.size()); n > held; --n) {
      if (std::string_view(pending_).substr(pending_.size() - n) == std::string_view(s).substr(0, n)) {
        held = n;
        break;
      }
    }
  }
  return held;
}

}  // namespace hindscan
