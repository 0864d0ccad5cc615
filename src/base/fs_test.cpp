#include "base/fs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>

#include "base/checked.h"
#include "base/error.h"
#include "base/mmap.h"
#include "base/testing/scratch.h"
#include "base/utf8.h"

namespace hindscan {
namespace {

class FsTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_.at(name); }
  const Scratch dir_;
};

template <class F>
ErrorCode code_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode{0};
}

TEST_F(FsTest, AtomicWriteReplacesAndLeavesNothingElse) {
  write_file_atomic(real_fs(), path("a"), "old");
  write_file_atomic(real_fs(), path("a"), "new content");
  EXPECT_EQ(read_file(path("a")), "new content");
  EXPECT_EQ(real_fs().list(dir_.path()), std::vector<std::string>{"a"});
}

TEST_F(FsTest, FailedWriteKeepsTheOldFile) {
  write_file_atomic(real_fs(), path("a"), "old");
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1000;
  std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const ErrorCode code = code_of([&] { write_file_atomic(real_fs(), path("a"), std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(code, ErrorCode::kIo);
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(real_fs().list(dir_.path()), std::vector<std::string>{"a"});
}

mode_t mode_of(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode;
}

TEST_F(FsTest, CaseC8AnExistingFileKeepsItsMode) {
  for (const mode_t mode : {0600u, 0640u, 0666u, 0755u}) {
    write_file_atomic(real_fs(), path("a"), "old");
    ASSERT_EQ(::chmod(path("a").c_str(), mode), 0);
    write_file_atomic(real_fs(), path("a"), "new");
    EXPECT_EQ(mode_of(path("a")) & 07777, mode);
    EXPECT_EQ(read_file(path("a")), "new");
  }
}

TEST_F(FsTest, CaseC8ALinkKeepsItsPlaceAndItsTargetIsWritten) {
  real_fs().mkdir(path("sub"));
  write_file_atomic(real_fs(), path("sub/target"), "old");
  ASSERT_EQ(::chmod(path("sub/target").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("sub/target", path("link").c_str()), 0);
  write_file_atomic(real_fs(), path("link"), "new");
  EXPECT_TRUE(S_ISLNK(mode_of(path("link"))));
  EXPECT_EQ(read_file(path("sub/target")), "new");
  EXPECT_EQ(mode_of(path("sub/target")) & 07777, 0600u);
  EXPECT_EQ(real_fs().list(path("sub")), std::vector<std::string>{"target"});
  real_fs().unlink(path("sub/target"));
  EXPECT_EQ(code_of([&] { write_file_atomic(real_fs(), path("link"), "new"); }), ErrorCode::kCannotCreate);
  EXPECT_TRUE(real_fs().is_link(path("link")));
  real_fs().rmdir(path("sub"));
}

TEST_F(FsTest, CaseC8ForeignLeftoversAreUntouched) {
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) names.insert(temporary_name(path("a")));
  EXPECT_EQ(names.size(), 100u);
  const std::string old_style = path("a.tmp-" + std::to_string(::getpid()) + "-0");
  write_file_atomic(real_fs(), old_style, "theirs");
  write_file_atomic(real_fs(), path("a"), "ours");
  EXPECT_EQ(read_file(old_style), "theirs");
  EXPECT_EQ(read_file(path("a")), "ours");
}

// Even the name that was drawn: what could not be created is not deleted.
class TakenName final : public Fs {
 public:
  bool unlinked = false;
  int open(const std::string& path, OpenMode) override { fail_errno(EEXIST, "create", path, FileUse::kOutput); }
  size_t write(int, std::span<const uint8_t>) override { return 0; }
  void fsync(int) override {}
  void close(int) override {}
  void rename(const std::string&, const std::string&) override {}
  void unlink(const std::string&) override { unlinked = true; }
  void mkdir(const std::string&) override {}
  void rmdir(const std::string&) override {}
  void fsync_dir(const std::string&) override {}
  std::vector<std::string> list(const std::string&) override { return {}; }
  std::string read(const std::string&, uint64_t) override { return ""; }
  FileKind kind(const std::string&) override { return FileKind::kNone; }
  uint64_t free_bytes(const std::string&) override { return 0; }
};

TEST(CaseC8, WhatWasNotCreatedIsNotDeleted) {
  TakenName fs;
  EXPECT_THROW(write_file_atomic(fs, "a", "text"), Error);
  EXPECT_FALSE(fs.unlinked);
}

TEST_F(FsTest, ErrorCodesOfOutput) {
  EXPECT_EQ(code_of([&] { write_file_atomic(real_fs(), path("no/such"), "x"); }), ErrorCode::kCannotCreate);
  EXPECT_EQ(code_of([&] { write_file_atomic(real_fs(), dir_.path(), "x"); }), ErrorCode::kCannotCreate);
  EXPECT_EQ(code_of([&] { write_file_atomic(real_fs(), "/dev/full", std::string(10, 'x')); }), ErrorCode::kIo);
  EXPECT_NO_THROW(write_file_atomic(real_fs(), "/dev/null", "x"));
}

TEST_F(FsTest, ErrorsNameTheFileThatWasAskedFor) {
  try {
    write_file_atomic(real_fs(), "/nowhere/a.npz", "x");
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_TRUE(e.message().starts_with("[/nowhere/a.npz] ")) << e.message();
  }
}

TEST_F(FsTest, ErrorCodesOfInput) {
  EXPECT_EQ(code_of([&] { read_file(path("missing")); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { read_file(dir_.path()); }), ErrorCode::kData);
  write_file_atomic(real_fs(), path("big"), std::string(100, 'x'));
  EXPECT_EQ(code_of([&] { read_file(path("big"), 99); }), ErrorCode::kResource);
  EXPECT_EQ(code_of([&] { FileBytes::load(path("big"), LoadMode::kRead, 99); }), ErrorCode::kResource);
  EXPECT_EQ(code_of([&] { read_file("/dev/zero", 1 << 20); }), ErrorCode::kData);
}

TEST_F(FsTest, BothLoadModesGiveTheBytes) {
  const std::string text(10000, 'q');
  write_file_atomic(real_fs(), path("f"), text);
  write_file_atomic(real_fs(), path("empty"), "");
  for (const LoadMode mode : {LoadMode::kRead, LoadMode::kMap}) {
    FileBytes file = FileBytes::load(path("f"), mode);
    FileBytes moved = std::move(file);
    EXPECT_EQ(std::string(moved.bytes().begin(), moved.bytes().end()), text);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(moved.bytes().data()) % 64, 0u);
    EXPECT_EQ(moved.mapped(), mode == LoadMode::kMap);
    EXPECT_TRUE(FileBytes::load(path("empty"), mode).bytes().empty());
  }
}

TEST_F(FsTest, ReadModeSurvivesTruncation) {
  write_file_atomic(real_fs(), path("f"), std::string(100000, 'q'));
  const FileBytes file = FileBytes::load(path("f"));
  ASSERT_EQ(::truncate(path("f").c_str(), 0), 0);
  EXPECT_EQ(file.bytes()[99999], 'q');
}

TEST_F(FsTest, PathsAndDirectories) {
  EXPECT_EQ(parent_dir("a"), ".");
  EXPECT_EQ(parent_dir("/a"), "/");
  EXPECT_EQ(parent_dir("/a/b/"), "/a");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  make_dirs(real_fs(), path("x/y/z"));
  make_dirs(real_fs(), path("x/y/z"));
  EXPECT_EQ(real_fs().kind(path("x/y/z")), FileKind::kDirectory);
  write_file_atomic(real_fs(), path("file"), "x");
  EXPECT_EQ(code_of([&] { make_dirs(real_fs(), path("file/z")); }), ErrorCode::kCannotCreate);
  EXPECT_GT(real_fs().free_bytes(dir_.path()), 0u);
  real_fs().rmdir(path("x/y/z"));
  real_fs().rmdir(path("x/y"));
  real_fs().rmdir(path("x"));
}

TEST(Checked, OverflowIsRememberedThroughAnExpression) {
  const uint64_t big = UINT64_MAX;
  EXPECT_EQ((Checked(3) * 5 + 1).value(), 16u);
  EXPECT_FALSE((Checked(big) + 1).ok());
  EXPECT_FALSE(((Checked(big) * 2) * 0 + 1).ok());
  EXPECT_EQ(checked_align(9, 8), 16u);
  EXPECT_EQ(checked_align(0, 8), 0u);
  EXPECT_FALSE(checked_align(9, 0).has_value());
  EXPECT_FALSE(checked_align(9, 12).has_value());
  EXPECT_FALSE(checked_align(big - 3, 8).has_value());
}

TEST(Utf8, RoundTripOfEveryCodePoint) {
  for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8Char c = decode_utf8(text, 0);
    ASSERT_TRUE(c.valid && c.code == code && c.size == text.size()) << code;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(incomplete_utf8_suffix("ab" + text.substr(0, cut)), cut) << code;
    }
    ASSERT_EQ(incomplete_utf8_suffix(text), 0u);
  }
}

TEST(Utf8, RefusesTheClassicTricks) {
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC1\x81", "\xE0\x80\xAF", "\xED\xA0\x80", "\xED\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82", "\xF0\x9F\x98"}) {
    EXPECT_FALSE(valid_utf8(bad));
    EXPECT_TRUE(valid_utf8(replace_invalid_utf8(bad)));
  }
  EXPECT_TRUE(valid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
}

TEST(Utf8, ReplacesMaximalPieces) {
  size_t count = 0;
  EXPECT_EQ(replace_invalid_utf8("a\xF0\x9F\x98z\xFF\xC3\xA9", &count), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xC3\xA9");
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(incomplete_utf8_suffix("a\xED\xA0"), 0u);  // a surrogate can never become valid
  EXPECT_EQ(incomplete_utf8_suffix("a\xFF"), 0u);
}

}  // namespace
}  // namespace hindscan
