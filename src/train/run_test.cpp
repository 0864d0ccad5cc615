// Whole runs on a real directory: stop, resume, export, locks.
#include "train/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "base/log.h"
#include "base/signals.h"
#include "base/testing/compare.h"
#include "io/json_reader.h"
#include "train/lock.h"
#include "train/tasks.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

TrainOptions task_options(const std::string& out) {
  TrainOptions o;
  o.config = test::golden_dir(test::kGoldenModels[0]) + "/config.json";
  o.task = "reset";
  o.out = out;
  o.steps = 12;
  o.sequences = 4;
  o.length = 24;
  o.warmup = 2;
  o.checkpoint_steps = 4;
  o.checkpoint_seconds = 0;
  o.keep = 2;
  o.gemm = DType::kF32;
  return o;
}

template <class F>
ErrorCode code_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kInternal;
}

// step -> loss; a step that was repeated after a resume must have repeated its loss.
std::map<int64_t, double> losses(const std::string& log) {
  std::map<int64_t, double> out;
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    const Json json = parse_json(line, log);
    const JsonReader reader(json, log);
    if (!reader.has("loss")) continue;
    const double loss = reader.get_double("loss");
    const auto [it, fresh] = out.emplace(reader.get_int("step"), loss);
    if (!fresh) {
      EXPECT_EQ(it->second, loss);
    }
  }
  return out;
}

TEST(Run, StoppedAndResumedEqualsUninterrupted) {
  const Scratch dir;
  const TrainReport whole = train(task_options(dir.at("a")), {});
  EXPECT_EQ(whole.end, TrainReport::End::kFinished);
  ASSERT_TRUE(whole.task);

  TrainOptions o = task_options(dir.at("b"));
  o.stop_after = 5;
  EXPECT_EQ(train(o, {}).end, TrainReport::End::kStopAfter);
  TrainOverrides one_more;
  one_more.stop_after = 6;
  EXPECT_EQ(resume(o.out, one_more, {}).steps, 6);
  const TrainReport end = resume(o.out, {}, {});
  EXPECT_EQ(end.steps, 12);
  EXPECT_EQ(end.task->right, whole.task->right);
  EXPECT_EQ(losses(dir.at("a/log.jsonl")).size(), 12u);
  EXPECT_EQ(losses(dir.at("a/log.jsonl")), losses(dir.at("b/log.jsonl")));
  const auto read = [&](const char* file) { return real_fs().read(dir.path() + file, 1u << 30); };
  EXPECT_EQ(read("/a/model/model.safetensors"), read("/b/model/model.safetensors"));
  EXPECT_EQ(read("/a/ckpt-0000012/optim.safetensors"), read("/b/ckpt-0000012/optim.safetensors"));
}

TEST(Run, FinishedRunIsAModelAndCanBeExportedAndContinued) {
  const Scratch dir;
  const TrainOptions o = task_options(dir.at("a"));
  const TrainReport report = train(o, {});
  const Model model = Model::load(report.model_dir);
  EXPECT_EQ(model.weights()[0].dtype, DType::kBF16);
  EXPECT_EQ(checkpoint_steps(real_fs(), o.out), (std::vector<int64_t>{8, 12}));
  EXPECT_EQ(real_fs().kind(o.out + "/lock"), FileKind::kRegular);

  export_model(o.out, dir.at("exported"), DType::kF32);
  const Model exported = Model::load(dir.at("exported"));
  EXPECT_EQ(exported.weights()[0].dtype, DType::kF32);
  // The checkpoint itself is a model directory too.
  const Model direct = Model::load(o.out + "/ckpt-0000012");
  for (size_t k = 0; k < direct.weights().size(); ++k) {
    const Weight &a = direct.weights()[k], &b = exported.weights()[k];
    EXPECT_TRUE(std::equal(a.as<float>(), a.as<float>() + a.size(), b.as<float>()));
  }
  TrainOverrides longer;
  longer.steps = 15;
  EXPECT_EQ(resume(o.out, longer, {}).steps, 15);
}

TEST(Run, TextFromFilesWithHeldOutLoss) {
  const Scratch dir;
  const std::string text = dir.at("text.txt");
  {
    std::ofstream out(text);
    for (int i = 0; i < 300; ++i) out << "aab#?ch." << (i % 50 == 49 ? "<|endoftext|>\n" : "bba");
  }
  TrainOptions o = task_options(dir.at("a"));
  const std::unique_ptr<Task> task = make_task("reset");
  std::ofstream(dir.at("tokenizer.json")) << task->tokenizer_json();
  o.task.clear();
  o.tokenizer = dir.at("tokenizer.json");
  o.data = {text};
  o.valid = text;
  o.eval_steps = 5;
  o.eval_tokens = 200;
  std::vector<int64_t> evaluated;
  TrainEvents events;
  events.on_held_out = [&](int64_t step, const HeldOut& h) {
    evaluated.push_back(step);
    EXPECT_TRUE(agree(h.bits_per_byte, h.nats_per_token / std::log(2.0), tol::kF64Total));  // one byte a token
    EXPECT_EQ(h.tokens, h.bytes);
  };
  o.steps = 40;
  o.lr = 1e-2;
  const TrainReport report = train(o, events);
  ASSERT_TRUE(report.held_out);
  EXPECT_LT(report.held_out->nats_per_token, 2.0);  // uniform: 4.2
  EXPECT_GT(report.held_out->tokens, 200);
  EXPECT_EQ(evaluated, (std::vector<int64_t>{5, 10, 15, 20, 25, 30, 35, 40}));
  EXPECT_TRUE(Model::load(report.model_dir).has_tokenizer());
}

TEST(Run, RefusesWhatItCannotDo) {
  const Scratch dir;
  TrainOptions o = task_options(dir.at("a"));
  o.stop_after = 1;
  train(o, {});
  EXPECT_EQ(code_of([&] { train(o, {}); }), ErrorCode::kCannotCreate);
  EXPECT_EQ(code_of([&] { resume(dir.at("none"), {}, {}); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { resume(dir.path(), {}, {}); }), ErrorCode::kNotFound);
  EXPECT_EQ(real_fs().kind(dir.at("lock")), FileKind::kNone);
  const RunLock lock(o.out);
  EXPECT_EQ(code_of([&] { resume(o.out, {}, {}); }), ErrorCode::kTryAgain);
}

TEST(Run, GivesUpAfterManyNonFiniteSteps) {
  const Scratch dir;
  TrainOptions o = task_options(dir.at("a"));
  o.lr = 1e30;
  o.warmup = 0;
  o.clip = 0;
  o.max_skipped = 3;
  o.steps = 1000;
  EXPECT_EQ(code_of([&] { train(o, {}); }), ErrorCode::kDiverged);
  EXPECT_TRUE(load_newest_checkpoint(real_fs(), o.out));
}

// Fewer bad steps than the run would put up with, and the end comes first.
TEST(CaseA1, ARunThatLeavesTheFiniteNumbersStopsAndKeepsItsLastGoodCheckpoint) {
  for (const int64_t steps : {1, 2, 5}) {
    const Scratch dir;
    TrainOptions o = task_options(dir.at("a"));
    o.lr = o.min_lr = 1e30;
    o.warmup = 0;
    o.clip = 0;
    o.checkpoint_steps = 1;
    o.steps = steps;
    EXPECT_EQ(code_of([&] { train(o, {}); }), ErrorCode::kDiverged) << steps;
    const std::optional<Checkpoint> kept = load_newest_checkpoint(real_fs(), o.out);
    ASSERT_TRUE(kept) << steps;
    EXPECT_EQ(checkpoint_steps(real_fs(), o.out), std::vector<int64_t>{0}) << steps;
    EXPECT_FALSE(std::filesystem::exists(o.out + "/model")) << steps;
    export_model(o.out, dir.at("good"), DType::kF32);
    EXPECT_EQ(find_non_finite(Model::load(dir.at("good")).weights()), "");
  }
}

TEST(CaseA1, TrainingDoesNotBeginFromADamagedModel) {
  const Scratch dir;
  Model model = Model::load(test::golden_dir(test::kGoldenModels[0]));
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    if (w.dtype == DType::kF32 && w.size() > 2) static_cast<float*>(w.data)[2] = NAN;
  }
  model.save(dir.at("bad"), DType::kF32);
  TrainOptions o = task_options(dir.at("a"));
  o.config.clear();
  o.model = dir.at("bad");
  EXPECT_EQ(code_of([&] { train(o, {}); }), ErrorCode::kData);
}

// The real file system whose syncs fail while `broken`.
class FullDisk final : public Fs {
 public:
  bool broken = false;
  int open(const std::string& path, OpenMode mode) override { return real_fs().open(path, mode); }
  size_t write(int handle, std::span<const uint8_t> bytes) override { return real_fs().write(handle, bytes); }
  void fsync(int handle) override {
    if (broken) fail_errno(ENOSPC, "sync", "disk", FileUse::kOutput);
    real_fs().fsync(handle);
  }
  void close(int handle) override { real_fs().close(handle); }
  void rename(const std::string& from, const std::string& to) override { real_fs().rename(from, to); }
  void unlink(const std::string& path) override { real_fs().unlink(path); }
  void mkdir(const std::string& path) override { real_fs().mkdir(path); }
  void rmdir(const std::string& path) override { real_fs().rmdir(path); }
  void fsync_dir(const std::string& path) override { real_fs().fsync_dir(path); }
  std::vector<std::string> list(const std::string& path) override { return real_fs().list(path); }
  std::string read(const std::string& path, uint64_t limit) override { return real_fs().read(path, limit); }
  FileKind kind(const std::string& path) override { return real_fs().kind(path); }
  uint64_t free_bytes(const std::string& path) override { return real_fs().free_bytes(path); }
};

TEST(Run, AFullDiskIsAWarningUntilTheEnd) {
  std::vector<std::string> remarks;
  const LogSink before = set_log_sink([&](LogLevel, std::string_view text) { remarks.emplace_back(text); });
  for (bool stays_full : {false, true}) {
    const Scratch dir;
    const TrainOptions o = task_options(dir.at("a"));
    FullDisk disk;
    TrainEvents events;
    events.fs = &disk;
    events.on_step = [&](const StepRecord& r) { disk.broken = r.step >= 6 && (stays_full || r.step < 12); };
    remarks.clear();
    if (stays_full) {
      EXPECT_THROW(train(o, events), Error);
      EXPECT_EQ(load_newest_checkpoint(real_fs(), o.out)->step, 4);
      EXPECT_EQ(resume(o.out, {}, {}).steps, 12);
    } else {
      EXPECT_EQ(train(o, events).steps, 12);
      EXPECT_EQ(load_newest_checkpoint(real_fs(), o.out)->step, 12);
    }
    EXPECT_EQ(losses(o.log_path()).size(), 12u);
    EXPECT_EQ(std::count_if(remarks.begin(), remarks.end(),
                            [](const std::string& r) { return r.find("step 8 not saved") != std::string::npos; }),
              1);
    for (const std::string& name : real_fs().list(o.out)) EXPECT_EQ(name.find("tmp"), std::string::npos) << name;
  }
  set_log_sink(before);
}

TEST(Run, ASignalSavesAndStops) {
  const Scratch dir;
  const TrainOptions o = task_options(dir.at("a"));
  TrainReport report;
  {
    const StopHandlers handlers;
    TrainEvents events;
    events.on_step = [](const StepRecord& r) {
      if (r.step == 5) ::raise(SIGTERM);
    };
    report = train(o, events);
  }
  EXPECT_EQ(report.end, TrainReport::End::kSignal);
  EXPECT_EQ(report.signal, SIGTERM);
  EXPECT_EQ(load_newest_checkpoint(real_fs(), o.out)->step, 5);
  EXPECT_TRUE(report.model_dir.empty());
  EXPECT_EQ(resume(o.out, {}, {}).steps, 12);
}

TEST(Lock, HoldsWhileAliveAndIsTakenOverWhenStale) {
  const Scratch dir;
  {
    const RunLock held(dir.path());
    try {
      const RunLock second(dir.path());
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kTryAgain);
      EXPECT_NE(e.message().find(std::to_string(::getpid())), std::string::npos) << e.message();
    }
  }
  EXPECT_NO_THROW(RunLock(dir.path()));
  std::ofstream(dir.at("lock")) << "process 1 on a host that died\n";
  EXPECT_NO_THROW(RunLock(dir.path()));
}

}  // namespace
}  // namespace hindscan
