#include "train/run_loop.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/signals.h"
#include "io/text_file.h"
#include "train/labelled.h"
#include "train/log_file.h"
#include "train/save_plan.h"
#include "train/source.h"

namespace hindscan {
namespace {

constexpr int64_t kTaskTests = 500;  // sequences, none of which is trained on

class Run {
 public:
  Run(Trainer& trainer, const TrainEvents& events)
      : trainer_(trainer),
        o_(trainer_.options()),
        events_(events),
        fs_(file_system(events)),
        log_(fs_, o_.log_path()),
        plan_(o_) {
    if (!o_.valid.empty() && o_.labelled())
      labelled_ = load_labelled(held_out_files(o_), trainer_.model(), o_.length, events.progress);
    else if (!o_.valid.empty())
      held_out_.emplace(read_text_file(o_.valid, uint64_t{1} << 36), trainer_.model());
    log_.start(o_, trainer_.steps_done(), trainer_.model().weights().parameters());
  }

  TrainReport loop(bool resumed) {
    if (resumed) {
      plan_.succeeded(trainer_.steps_done());
      report_.checkpoint = join_path(o_.out, checkpoint_name(trainer_.steps_done()));
    }
    if (!resumed) save(true);  // so that even a run killed in its first minute resumes
    run_steps();
    if (report_.end == TrainReport::End::kFinished) finish();
    if (report_.end != TrainReport::End::kFinished) log_.note(trainer_.steps_done(), "stop", stop_reason());
    report_.classifier = o_.labelled();
    report_.reads_features = !o_.features.empty();
    report_.steps = trainer_.steps_done();
    report_.skipped = trainer_.skipped();
    report_.seconds = SavePlan::since(start_);
    return report_;
  }

 private:
  void run_steps() {
    ProgressTask progress(events_.progress, "training", "steps", static_cast<uint64_t>(o_.steps),
                          static_cast<uint64_t>(trainer_.steps_done()));
    while (trainer_.steps_done() < o_.steps) {
      if (should_stop()) break;
      const StepRecord r = trainer_.step();
      tell(r, progress);
      if (trainer_.skipped_in_row() >= o_.max_skipped)
        diverged(fmt::format("{} steps in a row (loss {}, gradient norm {})", o_.max_skipped, r.loss, r.grad_norm));
      if (r.skipped && !find_non_finite(trainer_.model().weights()).empty()) diverged(trainer_.fault());
      if (o_.eval_steps > 0 && r.step % o_.eval_steps == 0 && r.step < o_.steps) evaluate(o_.eval_tokens);
      if (plan_.due(r.step)) save(false);
    }
    if (!plan_.saved(trainer_.steps_done())) save(true);
  }

  bool should_stop() {
    if (stop_requested()) {
      stopped_by(stop_signal());
    } else if (o_.max_seconds > 0 && SavePlan::since(start_) >= o_.max_seconds) {
      report_.end = TrainReport::End::kTimeLimit;
    } else if (o_.stop_after > 0 && trainer_.steps_done() >= o_.stop_after) {
      report_.end = TrainReport::End::kStopAfter;
    } else {
      return false;
    }
    return true;
  }

  void stopped_by(int signal) {
    report_.end = TrainReport::End::kSignal;
    report_.signal = signal;
  }

  std::string stop_reason() const {
    if (report_.end == TrainReport::End::kSignal)
      return report_.signal == 0 ? "cancelled" : fmt::format("signal {}", report_.signal);
    return report_.end == TrainReport::End::kTimeLimit ? "time limit" : "stop after";
  }

  // The checkpoints on disk are from before and stay.
  [[noreturn]] void diverged(const std::string& what) {
    log_.note(trainer_.steps_done(), "diverged", what);
    fail(ErrorCode::kDiverged,
         "[train] expected finite numbers at step {}, found none: {}; {}, begin with a smaller lr, more warmup or a "
         "clip "
         "of 1",
         trainer_.steps_done(), what,
         report_.checkpoint.empty() ? "nothing was saved" : "the last good checkpoint is " + report_.checkpoint);
  }

  void tell(const StepRecord& r, ProgressTask& progress) {
    report_.loss = r.loss;
    log_.step(r, trainer_.skipped());
    if (r.skipped) log_warning("step {} skipped: loss {}, gradient norm {}", r.step, r.loss, r.grad_norm);
    if (std::isfinite(r.loss)) smooth_ = smooth_ == 0 ? r.loss : 0.95 * smooth_ + 0.05 * r.loss;
    const double rate = static_cast<double>(r.step_tokens) / std::max(r.seconds, 1e-9);
    progress.set(static_cast<uint64_t>(r.step), fmt::format("loss {:.3f}  |g| {:.2f}  lr {:.1e}  {} tok/s", smooth_,
                                                            r.grad_norm, r.lr, format_count(rate)));
    if (events_.on_step) events_.on_step(r);
  }

  // The texts were read before: what is wrong now are the model's numbers.
  void evaluate(int64_t tokens) {
    try {
      evaluate_now(tokens);
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kData) diverged(e.message());
      throw;
    }
  }

  void evaluate_now(int64_t tokens) {
    if (o_.labelled()) return evaluate_labels(tokens);
    if (!o_.task.empty()) {
      report_.task = task_score(trainer_.model(), *make_task(o_.task), o_.length, kTaskTests);
      log_.accuracy(trainer_.steps_done(), report_.task->accuracy());
      if (events_.on_accuracy) events_.on_accuracy(trainer_.steps_done(), report_.task->accuracy());
    }
    if (!held_out_) return;
    try {
      report_.held_out = held_out_->evaluate(trainer_.model(), tokens, events_.progress);
    } catch (const Stopped& s) {
      return stopped_by(s.signal());
    }
    log_.held_out(trainer_.steps_done(), *report_.held_out);
    if (events_.on_held_out) events_.on_held_out(trainer_.steps_done(), *report_.held_out);
  }

  void evaluate_labels(int64_t tokens) {
    if (!labelled_) return;
    try {
      report_.labelled = evaluate_labelled(trainer_.model(), *labelled_, tokens, events_.progress);
    } catch (const Stopped& s) {
      return stopped_by(s.signal());
    }
    log_.labelled(trainer_.steps_done(), *report_.labelled);
    if (events_.on_labelled) events_.on_labelled(trainer_.steps_done(), *report_.labelled);
  }

  // must: an error ends the run; otherwise it is a warning, and the next try waits longer each time.
  void save(bool must) {
    const int64_t step = trainer_.steps_done();
    const std::string fault = trainer_.fault();
    if (!fault.empty() && must) diverged(fault);
    if (!fault.empty()) {
      plan_.failed();
      return log_warning("no checkpoint of step {}: the {} is not finite", step, fault);
    }
    try {
      save_checkpoint(fs_, o_.out, step, trainer_.snapshot(), o_.keep);
    } catch (const Error& e) {
      if (must) throw;
      const int64_t wait = plan_.failed();
      log_warning("checkpoint of step {} not saved, next try in {} s: {}", step, wait, e.message());
      log_.note(step, "save_failed", e.message());
      return;
    }
    plan_.succeeded(step);
    report_.checkpoint = join_path(o_.out, checkpoint_name(step));
    if (events_.on_checkpoint) events_.on_checkpoint(report_.checkpoint);
  }

  void finish() {
    evaluate(0);
    if (report_.end == TrainReport::End::kSignal) return;  // a resumed run comes straight back here
    report_.model_dir = join_path(o_.out, "model");
    trainer_.model().save(report_.model_dir, o_.save_dtype);
    log_.note(trainer_.steps_done(), "finished", report_.model_dir);
  }

  Trainer& trainer_;
  const TrainOptions& o_;
  const TrainEvents& events_;
  Fs& fs_;
  LogFile log_;
  SavePlan plan_;
  std::optional<HeldOutSet> held_out_;
  std::optional<LabelledSet> labelled_;
  TrainReport report_;
  SavePlan::Clock::time_point start_ = SavePlan::Clock::now();
  double smooth_ = 0;
};

}  // namespace

TrainReport run_loop(Trainer& trainer, const TrainEvents& events, bool resumed) {
  return Run(trainer, events).loop(resumed);
}

}  // namespace hindscan
