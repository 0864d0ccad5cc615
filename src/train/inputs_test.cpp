// A run directory made by somebody else, moved, or left in disorder.
#include "train/inputs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "base/log.h"
#include "base/mmap.h"
#include "io/json_reader.h"
#include "train/run.h"
#include "train/tasks.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

namespace files = std::filesystem;

class RunDirTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = set_log_sink([this](LogLevel, std::string_view text) { remarks.emplace_back(text); });
    std::ofstream text(dir.at("d.txt"));
    for (int i = 0; i < 300; ++i) text << "aab#?ch." << (i % 50 == 49 ? "<|endoftext|>\n" : "bba");
    std::ofstream(dir.at("tokenizer.json")) << make_task("reset")->tokenizer_json();
    write("precious", "mine\n");
  }
  void TearDown() override { set_log_sink(before_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir.at(name)) << text; }
  std::string read(const std::string& name) const { return read_file(dir.at(name)); }

  // Four of twelve steps on d.txt; what it began with is gone afterwards.
  std::string begin(bool with_valid = true) {
    TrainOptions o;
    o.config = test::golden_dir(test::kGoldenModels[0]) + "/config.json";
    o.tokenizer = dir.at("tokenizer.json");
    o.data = {dir.at("d.txt")};
    if (with_valid) o.valid = dir.at("d.txt");
    o.out = dir.at("run");
    o.log = dir.at("elsewhere.jsonl");
    o.steps = 12;
    o.sequences = 4;
    o.length = 24;
    o.eval_tokens = 100;
    o.gemm = DType::kF32;
    o.stop_after = 4;
    train(o, {});
    files::rename(dir.at("d.txt"), dir.at("moved.txt"));
    return o.out;
  }

  // Changes one option inside the newest checkpoint and makes its manifest agree.
  static void forge(const std::string& run, const std::string& key, const Json& value) {
    const std::string folder = run + "/" + checkpoint_name(4), path = folder + "/train.json";
    Json meta = parse_json(read_file(path), path), options = *meta.find("options");
    const std::string text = to_string(meta.set("options", options.set(key, value)));
    std::ofstream(path) << text;
    Json manifest = parse_json(read_file(folder + "/MANIFEST.json"), "manifest"), list = Json::array();
    for (Json entry : manifest.find("files")->items()) {
      if (entry.find("name")->as_string() == "train.json")
        entry.set("bytes", text.size()).set("xxh64", hash_hex(xxh64(text)));
      list.push(entry);
    }
    std::ofstream(folder + "/MANIFEST.json") << to_string(manifest.set("files", list));
  }

  static std::string refusal(const std::string& run, const TrainOverrides& overrides = {}) {
    try {
      resume(run, overrides, {});
    } catch (const Error& e) {
      return e.message();
    }
    return "resumed";
  }

  Scratch dir;
  std::vector<std::string> remarks;
  LogSink before_;
};

TEST_F(RunDirTest, CaseC7TheLogStaysInsideWhateverTheCheckpointSays) {
  const std::string run = begin();
  forge(run, "log", dir.at("precious"));
  EXPECT_EQ(resume(run, {}, {}).steps, 12);
  EXPECT_EQ(read("precious"), "mine\n");
  EXPECT_NE(read("run/log.jsonl").find("\"finished\""), std::string::npos);
}

TEST_F(RunDirTest, CaseC7NoPathOfTheCheckpointIsOpened) {
  const std::string run = begin();
  const std::string pipe = dir.at("pipe");  // a read of it would wait for ever
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const char* key : {"valid", "model", "config", "tokenizer"}) forge(run, key, key[0] == 'v' ? pipe : "");
  forge(run, "config", pipe);
  forge(run, "data", Json(std::vector<std::string>{pipe}));
  const TrainReport report = resume(run, {}, {});
  EXPECT_EQ(report.steps, 12);
  ASSERT_TRUE(report.held_out);
}

TEST_F(RunDirTest, CaseC7WhatIsMissingIsAskedFor) {
  const std::string run = begin();
  files::remove_all(run + "/cache");
  EXPECT_NE(refusal(run).find("name the data again"), std::string::npos);
  files::remove_all(run + "/inputs");
  TrainOverrides given;
  given.data = {{dir.at("moved.txt")}};
  EXPECT_NE(refusal(run, given).find("name the file of held-out data again"), std::string::npos);
  given.valid = dir.at("moved.txt");
  EXPECT_EQ(resume(run, given, {}).steps, 12);
}

TEST_F(RunDirTest, CaseC7OtherDataIsRefused) {
  const std::string run = begin(false);
  std::string other;
  for (int i = 0; i < 300; ++i) other += "bba.ch?#aab";
  write("other.txt", other);
  TrainOverrides given;
  given.data = {{dir.at("other.txt")}};
  EXPECT_NE(refusal(run, given).find("expected the data the run began with"), std::string::npos);
}

TEST_F(RunDirTest, CaseC7LinksInsideARunDirectoryAreRefused) {
  for (const char* name : {"log.jsonl", "lock", "latest", "model", "cache", "inputs", "ckpt-0000004", "ckpt-1.tmp-2",
                           "model/config.json", "ckpt-0000004/model.safetensors"}) {
    const std::string run = begin(), entry = run + "/" + name;
    files::create_directories(files::path(entry).parent_path());
    files::create_directory(dir.at("folder"));
    write("folder/precious", "mine\n");
    files::remove_all(entry);
    files::create_symlink(name[0] == 'l' ? dir.at("precious") : dir.at("folder"), entry);
    const std::string message = refusal(run);
    EXPECT_NE(message.find("[" + entry + "]"), std::string::npos) << message;
    EXPECT_NE(message.find("found a link"), std::string::npos) << message;
    EXPECT_EQ(read("precious"), "mine\n") << name;
    EXPECT_EQ(read("folder/precious"), "mine\n") << name;
    files::remove_all(run);
    files::rename(dir.at("moved.txt"), dir.at("d.txt"));
  }
}

TEST_F(RunDirTest, CaseC7TokensOutsideTheVocabularyAreRefused) {
  const std::string run = begin(false);
  std::string path;
  for (const auto& entry : files::directory_iterator(run + "/cache")) path = entry.path();
  std::string bytes = read_file(path);
  const size_t head = std::string("hindscan tokens 1\n").size() + 16;
  bytes[head + 3] = '\x80';  // the first id becomes negative
  const uint64_t hash = xxh64(std::string_view(bytes).substr(head, bytes.size() - head - 8));
  std::memcpy(bytes.data() + bytes.size() - 8, &hash, sizeof hash);
  std::ofstream(path) << bytes;
  EXPECT_NE(refusal(run).find("name the data again"), std::string::npos);
}

TEST_F(RunDirTest, CaseD13AMovedRunResumesWithoutItsFiles) {
  begin();
  files::create_directory(dir.at("far"));
  files::rename(dir.at("run"), dir.at("far/away"));
  files::remove(dir.at("moved.txt"));
  files::remove(dir.at("tokenizer.json"));
  const TrainReport report = resume(dir.at("far/away"), {}, {});
  EXPECT_EQ(report.steps, 12);
  EXPECT_TRUE(report.held_out);
}

TEST_F(RunDirTest, CaseD13ALeftOverFolderDoesNotBlock) {
  const std::string run = begin();
  files::create_directories(run + "/ckpt-0000008.tmp-77/folder");
  files::create_directories(run + "/.trash-ckpt-0000001/folder");
  std::ofstream(run + "/ckpt-0000008.tmp-77/train.json") << "half";
  EXPECT_EQ(resume(run, {}, {}).steps, 12);
  EXPECT_TRUE(files::exists(run + "/ckpt-0000008.tmp-77/folder"));
  EXPECT_FALSE(files::exists(run + "/ckpt-0000008.tmp-77/train.json"));
  EXPECT_TRUE(std::any_of(remarks.begin(), remarks.end(),
                          [](const std::string& r) { return r.find("left alone") != std::string::npos; }));
}

TEST_F(RunDirTest, ADataFileGivenThroughAPipeIsReadOnce) {
  const std::string pipe = dir.at("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  TrainOptions o;
  o.out = dir.at("run");
  o.valid = pipe;
  const pid_t child = ::fork();
  if (child == 0) {
    std::ofstream(pipe) << "held out";
    ::_exit(0);
  }
  keep_inputs(real_fs(), o);
  EXPECT_EQ(read_file(o.valid), "held out");
  EXPECT_EQ(o.valid, o.out + "/inputs/valid.txt");
}

}  // namespace
}  // namespace hindscan
