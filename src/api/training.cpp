#include "hindscan/training.h"

#include "api/request.h"
#include "core/parse_dtype.h"
#include "train/run.h"

namespace hindscan {
namespace {

TrainOptions train_options(const TrainingOptions& options) {
  TrainOptions o;
  o.model = options.model;
  o.config = options.config;
  o.arch = options.arch;
  o.d_model = options.d_model;
  o.n_layer = options.n_layer;
  o.tokenizer = options.tokenizer;
  o.data = options.data;
  o.task = options.task;
  o.labels = options.labels;
  o.features = options.features;
  o.valid = options.valid;
  o.valid_features = options.valid_features;
  o.regression = options.regression;
  o.out = options.out;
  o.steps = options.steps;
  o.sequences = options.sequences;
  if (options.length > 0 || o.labelled())
    o.length = options.length > 0 ? options.length : TrainOptions::kWholeSequences;
  o.accumulation = options.accumulation;
  o.warmup = options.warmup;
  o.lr = options.lr;
  o.min_lr = options.min_lr;
  o.weight_decay = options.weight_decay;
  o.clip = options.clip;
  o.schedule = parse_schedule(options.schedule);
  o.seed = options.seed;
  o.gemm = parse_dtype(options.gemm, "gemm", {DType::kBF16, DType::kF32});
  o.save_dtype = parse_dtype(options.save_dtype, "save_dtype", {DType::kBF16, DType::kF16, DType::kF32});
  o.checkpoint_steps = options.checkpoint_steps;
  o.checkpoint_seconds = options.checkpoint_seconds;
  o.keep = options.keep;
  o.eval_steps = options.eval_steps;
  o.max_seconds = options.max_seconds;
  o.stop_after = options.stop_after;
  check(options.length >= 0, ErrorCode::kUsage, "[train] expected 0 tokens of a sequence (the usual) or more, found {}",
        options.length);
  o.check_complete();
  return o;
}

TrainEvents events_of(const TrainingOptions& options, CallerRequest& caller) {
  TrainEvents events;
  events.progress = caller.progress();
  if (options.on_step) {
    events.on_step = [&options](const StepRecord& r) {
      options.on_step({r.step, r.loss, r.lr, r.grad_norm, r.tokens, r.skipped});
    };
  }
  return events;
}

Training training_of(const TrainReport& r) {
  Training out;
  using End = Training::End;
  constexpr End ends[] = {End::kFinished, End::kTimeLimit, End::kStopAfter, End::kStopped};  // as TrainReport::End
  out.end = ends[static_cast<size_t>(r.end)];
  out.steps = r.steps;
  out.skipped = r.skipped;
  out.loss = r.loss;
  out.seconds = r.seconds;
  if (r.held_out) {
    out.held_out = r.held_out->nats_per_token;
    out.held_out_interval = r.held_out->interval;
  }
  if (r.task) {
    out.accuracy = r.task->accuracy();
    out.accuracy_interval = r.task->interval();
  }
  if (r.labelled && !r.labelled->regression) {
    out.accuracy = r.labelled->accuracy;
    out.accuracy_interval = r.labelled->interval;
  }
  out.checkpoint = r.checkpoint;
  out.model = r.model_dir;
  return out;
}

}  // namespace

Training train_model(const TrainingOptions& options) {
  CallerRequest caller(options.cancel, options.on_progress);
  return training_of(train(train_options(options), events_of(options, caller)));
}

Training resume_training(const std::string& run_directory, const TrainingOptions& options) {
  CallerRequest caller(options.cancel, options.on_progress);
  return training_of(resume(run_directory, {}, events_of(options, caller)));
}

}  // namespace hindscan
