// A folder of a test's own, gone with its scope.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/fs.h"

namespace hindscan {

class Scratch {
 public:
  Scratch() {
    path_ = ::testing::TempDir() + "hindscan-test-XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return join_path(path_, name); }

 private:
  std::string path_;
};

}  // namespace hindscan
