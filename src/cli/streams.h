// The program's two voices: results on standard output, everything else on standard error.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "io/json.h"

namespace hindscan::cli {

// The reader of our output went away: the program ends quietly.
struct BrokenPipe {};

// Buffered standard output. write() and flush() throw BrokenPipe, or Error(kIo) when the disk is full.
class Out {
 public:
  static Out& get();
  void write(std::string_view text);
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  void flush();
  void drop() { buffer_.clear(); }

 private:
  std::string buffer_;
};

enum class LogFormat { kText, kJson };
void set_log_format(LogFormat format);
LogFormat log_format();

// Standard error, unbuffered; failures are ignored.
void write_error(std::string_view text);
// "hindscan: note: ..." with untrusted bytes made harmless, or one JSON object a line; silent after set_quiet(true).
void note(std::string_view message);
inline constexpr double kWorthSaying = 10;  // seconds: what a run will take is said before it
void warning(std::string_view message);
void caveat(std::string_view message);  // not silenced: without it a result would be misread
void error_line(int exit_code, std::string_view message);
void set_quiet(bool quiet);
// {"time", "level", "message", fields...}: a line of standard error in the JSON format.
void log_line(std::string_view level, std::string_view message, const Json& fields = {});

}  // namespace hindscan::cli
