// Training runs and what they train, from outside.
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include "api/test_support.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"

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
