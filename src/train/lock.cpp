#include "train/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"

namespace hindscan {
namespace {

std::string owner_text(int fd) {
  char text[256];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string out(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!out.empty() && (out.back() == '\n' || out.back() == '\0')) out.pop_back();
  return out;
}

std::string this_process() {
  char host[256] = "unknown host";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("process {} on {}", ::getpid(), host);
}

}  // namespace

RunLock::RunLock(const std::string& run_dir) {
  const std::string path = join_path(run_dir, "lock");
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_errno(errno, "create", path, FileUse::kOutput);
  const std::string owner = owner_text(fd_);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd_);
    if (error != EWOULDBLOCK) fail_errno(error, "lock", path, FileUse::kOutput);
    fail(ErrorCode::kTryAgain, "[{}] expected no other trainer, found {}; wait for it or stop it", run_dir,
         owner.empty() ? "one that is starting" : owner);
  }
  if (!owner.empty()) log_info("{}: the lock of {} is stale, taken over", path, owner);
  const std::string text = this_process() + "\n";
  // The text only serves messages: failing to write it (a full disk) must not stop the run.
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, text.data(), text.size(), 0) < 0)
    log_warning("{}: cannot be written", path);
}

RunLock::~RunLock() {
  if (::ftruncate(fd_, 0) != 0) log_warning("the lock file cannot be emptied");
  ::close(fd_);
}

}  // namespace hindscan
