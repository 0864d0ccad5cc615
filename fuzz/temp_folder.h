// A folder of its own for targets whose parser opens files by name; TMPDIR says where, best on a disk in memory.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>

#include "base/fs.h"
#include "fuzz_util.h"

namespace hindscan {

class TempFolder {
 public:
  TempFolder() { require(::mkdtemp(path_.data()) != nullptr); }
  ~TempFolder() {
    for (const std::string& name : real_fs().list(path_)) real_fs().unlink(join_path(path_, name));
    ::rmdir(path_.c_str());
  }

  std::string file(const std::string& name) const { return join_path(path_, name); }

  // The whole name of the file that holds `bytes` now.
  std::string write(const std::string& name, std::span<const uint8_t> bytes) const {
    Fs& fs = real_fs();
    const int handle = fs.open(file(name), OpenMode::kTruncate);
    write_all(fs, handle, bytes);
    fs.close(handle);
    return file(name);
  }

 private:
  static std::string above() {
    const char* set = std::getenv("TMPDIR");
    return set ? set : "/tmp";
  }
  std::string path_ = above() + "/hindscan-fuzz-XXXXXX";
};

}  // namespace hindscan
