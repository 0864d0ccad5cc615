#include "cli/streams.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/fs.h"
#include "cli/printable.h"

namespace hindscan::cli {
namespace {

constexpr size_t kBuffer = 1 << 16;
bool quiet_notes = false;

}  // namespace

Out& Out::get() {
  static Out out;
  return out;
}

void Out::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBuffer) flush();
}

void Out::flush() {
  std::string all;
  all.swap(buffer_);
  for (size_t at = 0; at < all.size();) {
    const ssize_t n = ::write(STDOUT_FILENO, all.data() + at, all.size() - at);
    if (n >= 0) {
      at += static_cast<size_t>(n);
    } else if (errno == EPIPE) {
      throw BrokenPipe{};
    } else if (errno != EINTR && errno != EAGAIN) {
      fail_errno(errno, "write", "standard output", FileUse::kOutput);
    }
  }
}

void write_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void note(std::string_view message) {
  if (!quiet_notes) write_error(fmt::format("hindscan: note: {}\n", printable_lines(message)));
}

void error_line(std::string_view message) {
  write_error(fmt::format("hindscan: error: {}\n", printable_lines(message)));
}

void set_quiet(bool quiet) { quiet_notes = quiet; }

}  // namespace hindscan::cli
