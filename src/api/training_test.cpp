// Training runs and what they train, from outside.
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include "api/test_support.h"
#include "base/mmap.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "io/json.h"
#include "train/options.h"

namespace hindscan {
namespace {

TEST(Training, StopsWhenTakenBackAndGoesOnToTheEnd) {
  const Scratch scratch;
  const std::string run = scratch.at("run");
  const Cancel cancel;
  std::vector<int64_t> steps;
  TrainingOptions options{.arch = "gru",
                          .d_model = 8,
                          .n_layer = 1,
                          .task = "induction",
                          .out = run,
                          .steps = 6,
                          .sequences = 1,
                          .length = 16,
                          .gemm = "f32"};
  options.on_step = [&](const TrainingStep& s) {
    steps.push_back(s.step);
    if (s.step == 3) cancel.request();
  };
  options.cancel = &cancel;
  const Training part = train_model(options);
  EXPECT_EQ(part.end, Training::End::kStopped);
  EXPECT_EQ(part.steps, 3);
  EXPECT_EQ(part.model, "");
  const Training rest = resume_training(run);
  EXPECT_EQ(rest.end, Training::End::kFinished);
  EXPECT_EQ(rest.steps, 6);
  EXPECT_TRUE(rest.accuracy && rest.accuracy_interval);
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_GT(LanguageModel::load(rest.model).parameters(), 0);
  EXPECT_EQ(code_of([] { train_model({.task = "induction"}); }), ErrorCode::kUsage);
}

// The log of a run begins with what it was asked for.
TEST(Training, EveryOptionReachesTheRun) {
  const Scratch scratch;
  const std::string text = scratch.at("text"), valid = scratch.at("valid");
  for (const std::string& path : {text, valid}) {
    std::string words;
    for (int i = 0; i < 60; ++i) words += "the king is old and the door is shut; ";
    write_file_atomic(real_fs(), path, words);
  }
  TrainingOptions options{.arch = "gru",
                          .d_model = 16,
                          .n_layer = 2,
                          .data = {text},
                          .valid = valid,
                          .out = scratch.at("run"),
                          .steps = 4,
                          .sequences = 2,
                          .accumulation = 2,
                          .warmup = 1,
                          .length = 12,
                          .lr = 2e-3,
                          .min_lr = 3e-4,
                          .weight_decay = 0.2,
                          .clip = 0.5,
                          .schedule = "linear",
                          .seed = 7,
                          .gemm = "f32",
                          .save_dtype = "f16",
                          .checkpoint_steps = 2,
                          .keep = 2,
                          .eval_steps = 3,
                          .checkpoint_seconds = 200,
                          .max_seconds = 500,
                          .stop_after = 3};
  options.tokenizer = std::string(HINDSCAN_SOURCE_MODELS) + "/english/tokenizer.json";
  TrainOptions want;
  want.arch = "gru", want.d_model = 16, want.n_layer = 2, want.data = {text},
  want.valid = options.out + "/inputs/valid.txt";  // its copy
  want.out = options.out, want.tokenizer = options.tokenizer;
  want.steps = 4, want.sequences = 2, want.accumulation = 2, want.warmup = 1, want.length = 12;
  want.lr = 2e-3, want.min_lr = 3e-4, want.weight_decay = 0.2, want.clip = 0.5, want.schedule = Schedule::kLinear;
  want.seed = 7, want.gemm = DType::kF32, want.save_dtype = DType::kF16;
  want.checkpoint_steps = 2, want.keep = 2, want.eval_steps = 3, want.checkpoint_seconds = 200;
  want.max_seconds = 500, want.stop_after = 3;
  const Training run = train_model(options);
  EXPECT_EQ(run.end, Training::End::kStopAfter);
  EXPECT_TRUE(run.loss && *run.loss > 0);
  const std::string log = read_file(options.out + "/log.jsonl");
  const Json start = parse_json(log.substr(0, log.find('\n')), "log.jsonl"), given = to_json(want);
  const Json& found = *start.find("options");
  for (const auto& [key, value] : given.members()) EXPECT_EQ(to_string(*found.find(key)), to_string(value)) << key;
}

TEST(Training, TheHeldOutLossHasItsInterval) {
  const Scratch scratch;
  std::string words;
  for (int i = 0; i < 60; ++i) words += "the king is old and the door is shut; ";
  write_file_atomic(real_fs(), scratch.at("text"), words);
  TrainingOptions options{.arch = "gru",
                          .d_model = 8,
                          .n_layer = 1,
                          .data = {scratch.at("text")},
                          .valid = scratch.at("text"),
                          .out = scratch.at("run"),
                          .steps = 2,
                          .sequences = 1,
                          .length = 16,
                          .gemm = "f32"};
  options.tokenizer = std::string(HINDSCAN_SOURCE_MODELS) + "/english/tokenizer.json";
  const Training run = train_model(options);
  ASSERT_TRUE(run.held_out && run.held_out_interval);
  EXPECT_LT(run.held_out_interval->low, *run.held_out);
  EXPECT_GT(run.held_out_interval->high, *run.held_out);
  EXPECT_FALSE(run.accuracy || run.accuracy_interval);
}

TEST(Classifying, SaysTheProbabilitiesOfItsLabels) {
  const Scratch scratch;
  const std::string labels = scratch.at("labels.tsv"), run = scratch.at("run");
  write_file_atomic(real_fs(), labels,
                    "good\tthe king is glad\nbad\tthe dog is cold\ngood\ta glad moon\nbad\ta cold cat\n");
  TrainingOptions options{.model = "",
                          .arch = "gru",
                          .d_model = 8,
                          .n_layer = 1,
                          .task = "classify",
                          .labels = labels,
                          .out = run,
                          .steps = 2,
                          .sequences = 2,
                          .gemm = "f32"};
  options.tokenizer = std::string(HINDSCAN_SOURCE_MODELS) + "/english/tokenizer.json";
  const LanguageModel model = LanguageModel::load(train_model(options).model);
  const Judgement judgement = model.classify("the king is cold");
  EXPECT_EQ(judgement.labels.size(), 2u);
  EXPECT_TRUE(agree(judgement.values[0] + judgement.values[1], 1.0, tol::kF64Sum));
  EXPECT_GE(judgement.values[judgement.best], 0.5);
  EXPECT_EQ(code_of([] { english().classify("a"); }), ErrorCode::kData);
}

}  // namespace
}  // namespace hindscan
