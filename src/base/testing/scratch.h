// A folder of a test's own, gone with its scope.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/fs.h"

namespace hindscan {

class Scratch {
 public:
  Scratch() {
    path_ = ::testing::TempDir() + "hindscan-test-XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() { remove(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return join_path(path_, name); }

 private:
  static void remove(const std::string& path) {
    if (real_fs().kind(path) != FileKind::kDirectory) return real_fs().unlink(path);
    for (const std::string& name : real_fs().list(path)) remove(join_path(path, name));
    ::rmdir(path.c_str());
  }
  std::string path_;
};

}  // namespace hindscan
