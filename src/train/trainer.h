// One training run in memory: weights, optimiser, carried states and the step counter. Every step is a pure function of
// these and of the batch source, so a snapshot of them resumes to the last bit.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "core/sequence_state.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/optimizer.h"
#include "train/options.h"

namespace hindscan {

struct StepRecord {
  int64_t step = 0;  // steps done, this one included
  double loss = 0;   // mean over the mask: nats per token or sequence, or squared error
  double lr = 0;
  double grad_norm = 0;     // before clipping
  int64_t tokens = 0;       // seen so far
  int64_t step_tokens = 0;  // of this step
  double seconds = 0;       // of this step
  size_t peak_bytes = 0;    // most memory the process has held
  bool skipped = false;     // not finite: nothing was updated
};

class Trainer {
 public:
  // model: f32 weights.
  Trainer(Model model, TrainOptions options, std::unique_ptr<BatchSource> source);

  StepRecord step();
  int64_t steps_done() const { return step_; }
  int64_t skipped_in_row() const { return skipped_in_row_; }
  int64_t skipped() const { return skipped_; }
  const Model& model() const { return model_; }
  Model& model() { return model_; }
  const TrainOptions& options() const { return options_; }
  const BatchSource& source() const { return *source_; }
  const GradTable& gradients() const { return grads_; }

  // Loss and gradients of one step's batch without an update (the states advance).
  double accumulate_gradients();

  // What is no longer finite, a weight or the loss of the next batch; empty while the model is worth saving.
  std::string fault();

  std::vector<CheckpointFile> snapshot() const;
  void restore(const Checkpoint& checkpoint);  // Error(kData) if it belongs to another model or other data

 private:
  double micro_step(const Batch& batch, double total_weight);
  CtxOptions pass_options();
  Input input_of(const Batch& batch);
  void seed_losses(Ctx& ctx, Var h, const Batch& batch, std::span<const float> weight, std::span<double> losses) const;

  Model model_;
  TrainOptions options_;
  std::unique_ptr<BatchSource> source_;
  GradTable grads_;
  AdamWOptimizer optimizer_;
  std::vector<SequenceState> states_;  // [streams]
  int64_t first_stream_ = 0;           // of the micro-step under way
  PassRoom room_;
  int64_t step_ = 0, tokens_ = 0, skipped_ = 0, skipped_in_row_ = 0;
};

// The options and the architecture of a checkpoint.
TrainOptions checkpoint_options(const Checkpoint& checkpoint);
Config checkpoint_config(const Checkpoint& checkpoint);
std::string checkpoint_data_hash(const Checkpoint& checkpoint);
void restore_weights(const Checkpoint& checkpoint, WeightTable& weights);  // f32

}  // namespace hindscan
