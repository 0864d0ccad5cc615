#include "train/run.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/shell_quote.h"
#include "model/config_json.h"
#include "train/inputs.h"
#include "train/labelled.h"
#include "train/lock.h"
#include "train/new_model.h"
#include "train/run_loop.h"
#include "train/source.h"

namespace hindscan {
namespace {

Model checkpoint_model(const Checkpoint& checkpoint) {
  Model model = Model::create(checkpoint_config(checkpoint), DType::kF32, 0);
  if (checkpoint.files.count("tokenizer.json")) {
    model.set_tokenizer(checkpoint.file("tokenizer.json"), join_path(checkpoint.path, "tokenizer.json"));
  }
  return model;
}

// A run is named by its directory, not by a checkpoint, the model or the log in it.
void check_is_run(Fs& fs, const std::string& path) {
  const bool directory = fs.kind(path) == FileKind::kDirectory;
  if (directory && !checkpoint_steps(fs, path).empty()) return;
  const std::string parent = parent_dir(path);
  const std::vector<int64_t> steps =
      fs.kind(parent) == FileKind::kDirectory ? checkpoint_steps(fs, parent) : std::vector<int64_t>();
  check(
      steps.empty() || fs.kind(path) == FileKind::kNone, ErrorCode::kNotFound,
      "[{}] expected the directory of a run, found a part of one, whose newest checkpoint is {}; continue it: hindscan "
      "train --resume {}",
      path, steps.empty() ? "" : checkpoint_name(steps.back()), shell_quote(parent));
  const char* found = directory ? "none" : fs.kind(path) == FileKind::kNone ? "nothing" : "a file";
  fail(ErrorCode::kNotFound,
       "[{}] expected the directory of a run with its checkpoints, found {}; give the directory it writes to", path,
       found);
}

Checkpoint newest(const std::string& run_dir) {
  check_is_run(real_fs(), run_dir);
  std::optional<Checkpoint> checkpoint = load_newest_checkpoint(real_fs(), run_dir);
  check(checkpoint.has_value(), ErrorCode::kNotFound,
        "[{}] expected a valid checkpoint, found none; begin a new run in another directory", run_dir);
  return std::move(*checkpoint);
}

}  // namespace

TrainReport train(const TrainOptions& requested, const TrainEvents& events) {
  TrainOptions options = requested;
  options.check_ranges();
  Fs& fs = file_system(events);
  make_dirs(fs, options.out);
  check_run_dir(fs, options.out);
  const RunLock lock(options.out);
  check(checkpoint_steps(fs, options.out).empty(), ErrorCode::kCannotCreate,
        "[{}] expected a directory without checkpoints, found some; name another, or continue them: "
        "hindscan train --resume {}",
        options.out, shell_quote(options.out));
  clean_run_dir(fs, options.out);
  keep_inputs(fs, options);
  Model model = new_model(options);
  const std::string damaged = find_non_finite(model.weights());
  check(damaged.empty(), ErrorCode::kData, "[{}] expected finite weights, found {}; start from another model",
        model.path(), damaged);
  if (options.carry && !options.labelled() && model.arch().sizes().cache_per_token > 0) {
    options.carry = false;
    log_info("every sequence starts from zero: the cache of the attention layers would grow with each step");
  }
  std::unique_ptr<BatchSource> source = make_source(options, model, events.progress);
  Trainer trainer(std::move(model), options, std::move(source));
  return run_loop(trainer, events, false);
}

TrainReport resume(const std::string& run_dir, const TrainOverrides& overrides, const TrainEvents& events) {
  Fs& fs = file_system(events);
  check_is_run(fs, run_dir);
  check_run_dir(fs, run_dir);
  const RunLock lock(run_dir);
  clean_run_dir(fs, run_dir);
  const Checkpoint checkpoint = newest(run_dir);
  TrainOptions options = checkpoint_options(checkpoint);
  const uint64_t before = arithmetic_hash(options);
  options.out = run_dir;
  overrides.apply(options);
  take_inputs(fs, overrides, options);
  options.check_ranges();
  if (arithmetic_hash(options) != before) log_info("the resumed run has another schedule than the one it continues");
  Model model = checkpoint_model(checkpoint);
  std::unique_ptr<BatchSource> source = make_resumed_source(options, checkpoint_data_hash(checkpoint),
                                                            overrides.data.has_value(), model, events.progress);
  Trainer trainer(std::move(model), options, std::move(source));
  trainer.restore(checkpoint);
  return run_loop(trainer, events, true);
}

void export_model(const std::string& run_dir, const std::string& model_dir, DType dtype) {
  const Checkpoint checkpoint = newest(run_dir);
  Model model = checkpoint_model(checkpoint);
  restore_weights(checkpoint, model.weights());
  model.save(model_dir, dtype);
}

}  // namespace hindscan
