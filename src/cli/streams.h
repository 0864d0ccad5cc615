// The program's two voices: results on standard output, everything else on standard error.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

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

// Standard error, unbuffered; failures are ignored.
void write_error(std::string_view text);
// "hindscan: note: ..." with untrusted bytes made harmless; silent after set_quiet(true).
void note(std::string_view message);
void error_line(std::string_view message);
void set_quiet(bool quiet);

}  // namespace hindscan::cli
