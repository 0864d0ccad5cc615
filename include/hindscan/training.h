// Training runs: from fresh weights, from a model, or on from a run directory, to the last bit.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hindscan/interval.h"
#include "hindscan/request.h"

namespace hindscan {

struct TrainingStep {
  int64_t step = 0;  // done so far
  double loss = 0;   // nats a token or sequence, or squared error
  double lr = 0, grad_norm = 0;
  int64_t tokens = 0;    // seen so far
  bool skipped = false;  // not finite: nothing was updated
};

// As the flags of 'hindscan train'. One of model, config and arch; data or task.
struct TrainingOptions {
  std::string model = {};              // start from this model
  std::string config = {};             // or from fresh weights of this config.json
  std::string arch = {};               // or of a family, e.g. "mamba2"
  int64_t d_model = 256, n_layer = 4;  // with arch
  std::string tokenizer = {};          // tokenizer.json for fresh weights
  std::vector<std::string> data = {};  // text files
  std::string task = {};               // or "selective-copy", "induction", "reset", or "classify" with labels
  std::string labels = {}, features = {};
  std::string valid = {}, valid_features = {};  // held out
  bool regression = false;
  std::string out = {};  // run directory
  int64_t steps = 1000, sequences = 8, accumulation = 1, warmup = 100;
  int64_t length = 0;  // tokens of a sequence; 0: 256, of labelled sequences all
  double lr = 3e-3, min_lr = 1e-5, weight_decay = 0.1, clip = 1;
  std::string schedule = "cosine";  // cosine, linear, constant, wsd
  uint64_t seed = 1;
  std::string gemm = "bf16", save_dtype = "bf16";  // products; matrices of the finished model: bf16, f16, f32
  int64_t checkpoint_steps = 0, keep = 3, eval_steps = 0;
  double checkpoint_seconds = 300, max_seconds = 0;
  int64_t stop_after = 0;  // stop and save at this step; 0: no
  std::function<void(const TrainingStep&)> on_step = nullptr;
  const Cancel* cancel = nullptr;  // saves a checkpoint and returns
  OnProgress on_progress = nullptr;
};

struct Training {
  enum class End : uint8_t { kFinished, kTimeLimit, kStopAfter, kStopped } end = End::kFinished;
  int64_t steps = 0;           // done in all
  int64_t skipped = 0;         // steps that were not finite
  std::optional<double> loss;  // of the last step, where one was left to do
  double seconds = 0;
  std::optional<double> held_out;  // nats a token
  std::optional<double> accuracy;  // of a task or of labels, 0..1
  std::optional<Interval> held_out_interval, accuracy_interval;
  std::string checkpoint;  // the last one
  std::string model;       // directory of the finished model; empty before the end
};

// A new run. Error(kUsage) for options that contradict each other, kCannotCreate when `out` holds a run already,
// kDiverged when the numbers stop being finite.
Training train_model(const TrainingOptions& options);
// The run of a directory goes on; of the options only on_step, on_progress and cancel count.
Training resume_training(const std::string& run_directory, const TrainingOptions& options = {});

}  // namespace hindscan
