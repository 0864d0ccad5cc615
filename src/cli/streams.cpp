#include "cli/streams.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/fs.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

constexpr size_t kBuffer = 1 << 16;
bool quiet_notes = false;
LogFormat format_in_use = LogFormat::kText;

std::string now() {  // 2024-02-29T12:34:56.789Z
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  tm parts{};
  gmtime_r(&t.tv_sec, &parts);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", std::string_view(text, n), t.tv_nsec / 1'000'000);
}

// What a message quotes breaks no line; a list of its own goes on in lines that begin with two spaces.
std::string in_its_lines(std::string_view message) {
  constexpr std::string_view kNextItem = "\n  ";
  std::string out;
  for (size_t at = 0; at <= message.size();) {
    const size_t end = std::min(message.find(kNextItem, at), message.size());
    if (at > 0) out += kNextItem;
    out += printable(message.substr(at, end - at)).text;
    at = end + kNextItem.size();
  }
  return out;
}

void say(std::string_view level, std::string_view word, std::string_view message, const Json& fields = {}) {
  if (format_in_use == LogFormat::kJson) return log_line(level, message, fields);
  write_error(fmt::format("hindscan: {}: {}\n", word, in_its_lines(message)));
}

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
    } else if (errno == EINTR) {
      throw_if_stopped();
    } else if (errno != EAGAIN) {
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

void caveat(std::string_view message) { say("warning", "note", message); }

void note(std::string_view message) {
  if (!quiet_notes) say("info", "note", message);
}

void warning(std::string_view message) {
  if (!quiet_notes) say("warning", "note", message);
}

void error_line(int exit_code, std::string_view message) {
  say("error", "error", message, Json::object().set("exit_code", exit_code));
}

void log_line(std::string_view level, std::string_view message, const Json& fields) {
  Json out = Json::object();
  out.set("time", now()).set("level", level).set("message", replace_invalid_utf8(message));
  for (const JsonMember& m : fields.is_object() ? fields.members() : Json::Object()) out.set(m.key, m.value);
  write_error(to_string(out) + "\n");
}

void set_log_format(LogFormat format) { format_in_use = format; }
LogFormat log_format() { return format_in_use; }

void set_quiet(bool quiet) { quiet_notes = quiet; }

}  // namespace hindscan::cli
