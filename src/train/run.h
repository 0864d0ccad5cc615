// Training from the first step to the exported model, with log, checkpoints, held-out loss and orderly stops.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/progress.h"
#include "train/evaluate.h"
#include "train/labelled.h"
#include "train/tasks.h"
#include "train/trainer.h"

namespace hindscan {

struct TrainEvents {
  ProgressSink* progress = nullptr;
  Fs* fs = nullptr;                                // where checkpoints and log go; null: the real one
  std::function<void(const StepRecord&)> on_step;  // after every step
  std::function<void(int64_t step, const HeldOut&)> on_held_out;
  std::function<void(int64_t step, double accuracy)> on_accuracy;  // of a task
  std::function<void(int64_t step, const LabelledScore&)> on_labelled;
  std::function<void(const std::string& path)> on_checkpoint;
};

struct TrainReport {
  enum class End { kFinished, kTimeLimit, kStopAfter, kSignal } end = End::kFinished;
  int signal = 0;     // with kSignal: exit with 128 + signal; 0: the request was taken back
  int64_t steps = 0;  // done in all
  int64_t skipped = 0;
  std::optional<double> loss;  // of the last step; none when there was none left to do
  double seconds = 0;          // of this process
  std::optional<HeldOut> held_out;
  std::optional<TaskScore> task;
  std::optional<LabelledScore> labelled;  // of a classifier on held-out sequences
  std::string checkpoint;                 // the last one
  bool classifier = false, reads_features = false;
  std::string model_dir;  // written when the run is finished
};

// A new run. Error(kCannotCreate) when out already holds checkpoints, Error(kTryAgain) when another trainer has it.
TrainReport train(const TrainOptions& options, const TrainEvents& events);
// Continues from the newest valid checkpoint of a run directory.
TrainReport resume(const std::string& run_dir, const TrainOverrides& overrides, const TrainEvents& events);
// The newest checkpoint of a run as a model directory.
void export_model(const std::string& run_dir, const std::string& model_dir, DType dtype);

}  // namespace hindscan
