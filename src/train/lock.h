// One trainer per run directory: an advisory lock that the system drops when its holder dies, even by kill -9.
#pragma once
#include <string>

namespace hindscan {

class RunLock {
 public:
  // Error(kTryAgain) names the process that holds it. A lock file left by a dead process is taken over with a remark.
  explicit RunLock(const std::string& run_dir);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace hindscan
