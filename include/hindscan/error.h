// The one exception type of the library.
#pragma once
#include <exception>
#include <string>
#include <utility>

namespace hindscan {

// Values are the exit codes of the command line (sysexits where one exists).
enum class ErrorCode : int {
  kDiverged = 1,       // a training run whose numbers are no longer finite
  kUsage = 2,          // wrong arguments
  kData = 65,          // malformed model, tokenizer, JSON, UTF-8
  kNotFound = 66,      // input does not exist
  kInternal = 70,      // a bug of ours
  kResource = 71,      // out of memory, or a request that does not fit a limit
  kCannotCreate = 73,  // output cannot be created
  kIo = 74,            // read or write failed, disk full, file changed while mapped
  kTryAgain = 75,      // a lock is held
  kPermission = 77,    // permission denied
  kConfig = 78,        // bad configuration
  kCancelled = 130,    // its caller took the request back
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

}  // namespace hindscan
