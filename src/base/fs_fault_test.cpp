// Every system call of an atomic write fails once: the old or the whole new file is there, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/fs.h"
#include "base/testing/scratch.h"

namespace hindscan {
namespace {

// Forwards to the real file system; the call number `fail_at` fails, and writes take at most three bytes.
class FailingFs final : public Fs {
 public:
  explicit FailingFs(int fail_at) : fail_at_(fail_at) {}
  int calls() const { return calls_; }

  int open(const std::string& path, OpenMode mode) override { return step(), real_fs().open(path, mode); }
  size_t write(int handle, std::span<const uint8_t> bytes) override {
    return step(), real_fs().write(handle, bytes.first(std::min<size_t>(3, bytes.size())));
  }
  void fsync(int handle) override { step(), real_fs().fsync(handle); }
  void close(int handle) override {
    real_fs().close(handle);
    step();
  }
  void rename(const std::string& from, const std::string& to) override { step(), real_fs().rename(from, to); }
  void unlink(const std::string& path) override { real_fs().unlink(path); }
  void mkdir(const std::string& path) override { step(), real_fs().mkdir(path); }
  void rmdir(const std::string& path) override { step(), real_fs().rmdir(path); }
  void fsync_dir(const std::string& path) override { step(), real_fs().fsync_dir(path); }
  std::vector<std::string> list(const std::string& path) override { return real_fs().list(path); }
  std::string read(const std::string& path, uint64_t limit) override { return real_fs().read(path, limit); }
  FileKind kind(const std::string& path) override { return step(), real_fs().kind(path); }
  uint64_t free_bytes(const std::string& path) override { return real_fs().free_bytes(path); }
  std::string follow(const std::string& path) override { return step(), real_fs().follow(path); }
  void copy_mode(int handle, const std::string& from) override { step(), real_fs().copy_mode(handle, from); }

 private:
  void step() {
    if (++calls_ == fail_at_) fail(ErrorCode::kIo, "[test] call {} fails", calls_);
  }
  int fail_at_, calls_ = 0;
};

TEST(FsFault, AnyFailingCallLeavesOldOrNew) {
  const Scratch dir;
  const std::string path = dir.at("file"), old_text = "old", new_text = "a longer new text";
  FailingFs healthy(-1);
  write_file_atomic(healthy, path, new_text);
  ASSERT_GT(healthy.calls(), 8);
  for (int k = 1; k <= healthy.calls(); ++k) {
    write_file_atomic(real_fs(), path, old_text);
    FailingFs fs(k);
    EXPECT_THROW(write_file_atomic(fs, path, new_text), Error) << k;
    const std::string found = real_fs().read(path, 1000);
    EXPECT_TRUE(found == old_text || (found == new_text && k == healthy.calls())) << k << ": " << found;
    EXPECT_EQ(real_fs().list(dir.path()), std::vector<std::string>{"file"}) << k;
  }
}

}  // namespace
}  // namespace hindscan
