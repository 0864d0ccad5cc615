// The one exception type of the library, and the helper that raises it.
#pragma once
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <string>
#include <utility>

namespace hindscan {

// Values are the process exit codes of the CLI (sysexits where one exists).
enum class ErrorCode : int {
  kUsage = 2,         // wrong arguments
  kData = 65,         // malformed model, tokenizer, JSON, UTF-8
  kNotFound = 66,     // input does not exist
  kInternal = 70,     // a bug of ours
  kResource = 71,     // out of memory, or a request that does not fit a limit
  kCannotCreate = 73, // output cannot be created
  kIo = 74,           // read or write failed, disk full, file changed while mapped
  kTryAgain = 75,     // a lock is held
  kPermission = 77,   // permission denied
  kConfig = 78,       // bad configuration
};

// message: "[op or file] what was expected, what was found; the next step".
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Check of a caller's input: always on, throws.
template <class... Args>
void check(bool ok, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hindscan
