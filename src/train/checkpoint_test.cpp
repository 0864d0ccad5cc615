#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/log.h"
#include "train/recording_fs_test_support.h"

namespace hindscan {
namespace {

std::vector<CheckpointFile> contents(int64_t step) {
  std::vector<CheckpointFile> files;
  for (const char* name : {"model.safetensors", "optim.safetensors", "train.json"}) {
    std::string bytes;
    for (int i = 0; i < 1500; ++i) bytes += static_cast<char>(mix64(static_cast<uint64_t>(step * 7919 + i)) & 255);
    files.push_back({name, bytes + name});
  }
  return files;
}

void expect_contents(const Checkpoint& c) {
  const auto want = contents(c.step);
  ASSERT_EQ(c.files.size(), want.size());
  for (const auto& f : want) EXPECT_EQ(c.file(f.name), f.bytes);
}

RecordingFs run_with(const std::vector<int64_t>& steps, int64_t keep = 2) {
  RecordingFs fs;
  fs.mkdir("run");
  fs.fsync_dir(".");
  for (int64_t s : steps) save_checkpoint(fs, "run", s, contents(s), keep);
  return fs;
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = set_log_sink([this](LogLevel, std::string_view text) { remarks.emplace_back(text); });
  }
  void TearDown() override { set_log_sink(before_); }
  std::vector<std::string> remarks;
  LogSink before_;
};

TEST(Hash, PublishedVectors) {
  EXPECT_EQ(xxh64(""), 0xef46db3751d8e999ull);
  EXPECT_EQ(xxh64("a"), 0xd24ec4f1a98c6e5bull);
  EXPECT_EQ(xxh64("abc"), 0x44bc2cf5ad770999ull);
  EXPECT_EQ(xxh64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1ull);
}

TEST_F(CheckpointTest, SavesLoadsAndKeepsTheNewest) {
  RecordingFs fs = run_with({0, 10, 20, 30});
  EXPECT_EQ(checkpoint_steps(fs, "run"), (std::vector<int64_t>{20, 30}));
  const auto c = load_newest_checkpoint(fs, "run");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->step, 30);
  expect_contents(*c);
  EXPECT_EQ(fs.read("run/latest", 100), "ckpt-0000030\n");
  EXPECT_EQ(fs.open_files, 0);
}

TEST_F(CheckpointTest, EveryDamagedByteIsNoticedAndTheOlderOneIsTaken) {
  const RecordingFs clean = run_with({10, 20});
  for (const char* name : {"model.safetensors", "train.json", "MANIFEST.json"}) {
    RecordingFs probe = clean.after_kill();
    const size_t size = probe.read(std::string("run/ckpt-0000020/") + name, 1u << 20).size();
    for (size_t byte = 0; byte < size; byte += name[0] == 'M' ? 1 : 97) {
      RecordingFs fs = clean.after_kill();
      fs.corrupt(std::string("run/ckpt-0000020/") + name, byte);
      remarks.clear();
      const auto c = load_newest_checkpoint(fs, "run");
      ASSERT_TRUE(c);
      expect_contents(*c);
      // A changed blank of the manifest changes nothing; everything else must be noticed.
      if (name[0] != 'M') {
        EXPECT_EQ(c->step, 10);
        EXPECT_EQ(remarks.size(), 1u);
      }
    }
  }
}

TEST_F(CheckpointTest, InvalidNewerOneDoesNotCostTheValidOnes) {
  RecordingFs fs = run_with({10, 20}, 1);
  save_checkpoint(fs, "run", 40, contents(40), 2);
  fs.corrupt("run/ckpt-0000040/train.json", 3);
  save_checkpoint(fs, "run", 30, contents(30), 1);
  ASSERT_EQ(load_newest_checkpoint(fs, "run")->step, 30);
  save_checkpoint(fs, "run", 40, contents(40), 1);  // replaces the damaged one
  EXPECT_EQ(load_newest_checkpoint(fs, "run")->step, 40);
  EXPECT_EQ(checkpoint_steps(fs, "run"), std::vector<int64_t>{40});
}

// The older checkpoint was durable before the save began, so every crash must leave it or the new one.
void expect_recovers(RecordingFs fs, const std::string& what) {
  SCOPED_TRACE(what);
  clean_run_dir(fs, "run");
  for (const std::string& name : fs.list("run")) {
    EXPECT_EQ(name.find("tmp"), std::string::npos);
    EXPECT_EQ(name.find("trash"), std::string::npos);
  }
  const auto c = load_newest_checkpoint(fs, "run");
  ASSERT_TRUE(c);
  EXPECT_GE(c->step, 20);
  expect_contents(*c);
  save_checkpoint(fs, "run", 30, contents(30), 2);  // and the run goes on
  EXPECT_EQ(load_newest_checkpoint(fs, "run")->step, 30);
}

TEST_F(CheckpointTest, EveryCrashPrefixRecovers) {
  const RecordingFs start = run_with({10, 20});
  int64_t calls = 0, states = 0;
  for (int64_t k = 0;; ++k) {
    RecordingFs fs = start.after_kill();
    fs.crash_at = k;
    fs.largest_write = 700;
    bool crashed = false;
    try {
      save_checkpoint(fs, "run", 30, contents(30), 2);
    } catch (const RecordingFs::Crash&) {
      crashed = true;
    }
    calls = fs.calls;
    expect_recovers(fs.after_kill(), fmt::format("kill before call {}", k));
    expect_recovers(fs.after_power_cut(nullptr), fmt::format("power cut before call {}, all lost", k));
    for (uint64_t seed = 0; seed < 700; ++seed, ++states) {
      Rng rng(seed, "cut", static_cast<uint64_t>(k) << 32);
      expect_recovers(fs.after_power_cut(&rng), fmt::format("power cut before call {}, seed {}", k, seed));
    }
    if (!crashed) break;
  }
  EXPECT_GT(calls, 20);
  EXPECT_GE(states, 20000);
}

TEST_F(CheckpointTest, EveryFailingCallLeavesTheOldOne) {
  const RecordingFs start = run_with({10, 20});
  for (int error : {ENOSPC, EIO, EDQUOT, EROFS}) {
    for (int64_t count : {int64_t{1}, int64_t{1} << 40}) {
      for (int64_t k = 0;; ++k) {
        RecordingFs fs = start.after_kill();
        fs.fail_at = k;
        fs.fail_count = count;
        fs.error_number = error;
        bool failed = false;
        try {
          save_checkpoint(fs, "run", 30, contents(30), 2);
        } catch (const Error& e) {
          failed = true;
          EXPECT_TRUE(e.code() == ErrorCode::kIo || e.code() == ErrorCode::kPermission) << e.message();
        }
        const bool reached = fs.calls > k;
        EXPECT_EQ(fs.open_files, 0);
        fs.fail_at = -1;
        expect_recovers(fs.after_kill(), fmt::format("error {} at call {}", error, k));
        expect_recovers(fs.after_power_cut(nullptr), fmt::format("error {} at call {}, then a power cut", error, k));
        if (!reached) {
          EXPECT_FALSE(failed);
          break;
        }
      }
    }
  }
}

TEST_F(CheckpointTest, FullDiskIsToldBeforeAnythingIsWritten) {
  RecordingFs fs = run_with({10});
  fs.free = 1000;
  const auto before = fs.calls;  // NOLINT(clang-analyzer-deadcode.DeadStores): it is read below
  try {
    save_checkpoint(fs, "run", 20, contents(20), 2);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kIo);
    EXPECT_NE(e.message().find("1000"), std::string::npos);
  }
  EXPECT_EQ(fs.calls, before);
}

}  // namespace
}  // namespace hindscan
