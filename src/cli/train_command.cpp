// hindscan train: from scratch, from a model, or on from a checkpoint.
#include <fmt/format.h>

#include <set>

#include "cli/column_flags.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/measured.h"
#include "cli/streams.h"
#include "cli/train_output.h"
#include "core/parse_dtype.h"
#include "train/run.h"

namespace hindscan::cli {
namespace {

struct TrainFlags {
  TrainOptions options;
  TrainOverrides overrides;  // the flags a resumed run may change, as far as they were given
  std::string resume, export_dir, schedule = "cosine", gemm = "bf16", save_dtype = "bf16";
  bool no_carry = false;
  CLI::Option* resume_option = nullptr;
};

void add_data_flags(CLI::App& app, TrainFlags& f) {
  TrainOptions& o = f.options;
  app.option_defaults()->group("What and where");
  app.add_option("-m,--model", o.model, "Start from this model directory or file")->type_name("PATH");
  app.add_option("--config", o.config, "Or from fresh weights of this config.json")->type_name("FILE");
  app.add_option("--arch", o.arch, "Or from fresh weights of a family, e.g. mamba2, rwkv7, hybrid")->type_name("NAME");
  app.add_option("--d-model", o.d_model, "With --arch: channels")
      ->capture_default_str()
      ->check(whole_between(8, 65536))
      ->needs("--arch");
  app.add_option("--n-layer", o.n_layer, "With --arch: layers")
      ->capture_default_str()
      ->check(whole_between(1, 1000))
      ->needs("--arch");
  app.add_option("--tokenizer", o.tokenizer, "tokenizer.json for fresh weights")
      ->type_name("FILE")
      ->excludes("--model");
  app.add_option("--data", o.data, "Text files; documents end with <|endoftext|>; a file named twice counts twice")
      ->type_name("FILE")
      ->delimiter(',');
  app.add_option("--task", o.task,
                 "Instead of data: a generated task (selective-copy, induction, reset, two-hop), or classify")
      ->type_name("NAME");
  app.add_option("--valid", o.valid, "Held-out text file; with classify: held-out labels")->type_name("FILE");
  app.add_option("-o,--out", o.out, "Run directory: checkpoints, log, and model/ at the end")->type_name("DIR");
  f.resume_option = app.add_option("--resume", f.resume,
                                   "Continue this run directory (default: OUT), to the last bit; wherever it lies")
                        ->type_name("DIR")
                        ->expected(0, 1);
  app.add_option("--export", f.export_dir, "Only write the newest checkpoint of the run as a model directory")
      ->type_name("DIR");
}

void add_label_flags(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("With --task classify");
  app.add_option("--labels", o.labels,
                 "Labels and texts: tabs (.tsv), .csv, an object a line (.jsonl); or labels [N] (.npy)")
      ->type_name("FILE");
  app.add_option("--features", o.features, "Vectors [N, tokens, numbers] or [N, numbers] instead of texts, .npy")
      ->type_name("FILE")
      ->needs("--labels");
  app.add_option("--valid-features", o.valid_features, "Those of the held-out labels, .npy")
      ->type_name("FILE")
      ->needs("--labels");
  app.add_option("--pooling", o.pooling, "Of the outputs over the tokens: mean, last, first, max (default: mean)")
      ->check(one_of({"mean", "last", "first", "max"}))
      ->needs("--labels");
  app.add_flag("--regression", o.regression, "Labels are numbers to predict (default where they have fractions)")
      ->needs("--labels");
  add_column_flags(app, o.label_column, o.text_column, o.header, o.label_field, o.text_field);
}

void add_number_flags(CLI::App& app, TrainFlags& f) {
  TrainOptions& o = f.options;
  app.option_defaults()->group("Recipe");
  app.add_option("--steps", o.steps, "Optimiser steps in all")->capture_default_str();
  app.add_option("--sequences,--batch", o.sequences, "Sequences of a micro-step")->capture_default_str();
  app.add_option("--length", o.length, "Tokens of a sequence; with classify the most that are read (default: all)")
      ->capture_default_str();
  app.add_option("--accumulation", o.accumulation, "Micro-steps of an optimiser step")->capture_default_str();
  app.add_option("--lr", o.lr, "Peak learning rate")->capture_default_str();
  app.add_option("--min-lr", o.min_lr, "Learning rate at the end")->capture_default_str();
  app.add_option("--warmup", o.warmup, "Steps of warmup")->capture_default_str();
  app.add_option("--schedule", f.schedule, "cosine, linear, constant or wsd")
      ->check(one_of({"cosine", "linear", "constant", "wsd"}))
      ->capture_default_str();
  app.add_option("--beta1", o.beta1, "AdamW")->capture_default_str();
  app.add_option("--beta2", o.beta2, "AdamW")->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay, "On matrices and embeddings")->capture_default_str();
  app.add_option("--clip", o.clip, "Largest gradient norm; 0: no clipping")->capture_default_str();
  app.add_option("-s,--seed", o.seed, "Of weights, order and tasks")->check(seed_number())->capture_default_str();
  app.add_option("--gemm", f.gemm, "Products in bf16 or f32; weights are f32")
      ->check(one_of({"bf16", "f32"}))
      ->capture_default_str();
  app.add_flag("--recompute", o.recompute, "Less memory: run blocks again in the backward pass");
  app.add_flag("--no-carry", f.no_carry, "Every sequence starts from a state of zeros");
  app.add_option("--forget", o.forget, "Probability that a sequence starts from zeros all the same")
      ->capture_default_str();
}

void add_cadence_flags(CLI::App& app, TrainFlags& f) {
  TrainOptions& o = f.options;
  app.option_defaults()->group("Cadence and limits");
  app.add_option("--checkpoint-steps", o.checkpoint_steps, "Save every so many steps")->capture_default_str();
  app.add_option("--checkpoint-seconds", o.checkpoint_seconds, "Save every so many seconds")->capture_default_str();
  app.add_option("--keep", o.keep, "Checkpoints to keep")->capture_default_str();
  app.add_option("--eval-steps", o.eval_steps, "Held-out loss every so many steps; 0: at the end")
      ->capture_default_str();
  app.add_option("--eval-tokens", o.eval_tokens, "Held-out tokens on the way")->capture_default_str();
  app.add_option("--max-seconds", o.max_seconds, "Stop and save after this time; 0: no limit")->capture_default_str();
  app.add_option("--stop-after", o.stop_after, "Stop and save at this step, schedule unchanged; 0: no")
      ->capture_default_str();
  app.add_option("--save-dtype", f.save_dtype, "Matrices of the final model: bf16, f16 or f32")
      ->check(one_of({"bf16", "f16", "f32"}))
      ->capture_default_str();
}

void take_overrides(const CLI::App& app, TrainFlags& f) {
  const TrainOptions& o = f.options;
  const auto take = [&](const char* flag, auto& to, const auto& value) {
    if (app.count(flag) > 0) to = value;
  };
  take("--steps", f.overrides.steps, o.steps);
  take("--checkpoint-steps", f.overrides.checkpoint_steps, o.checkpoint_steps);
  take("--keep", f.overrides.keep, o.keep);
  take("--eval-steps", f.overrides.eval_steps, o.eval_steps);
  take("--eval-tokens", f.overrides.eval_tokens, o.eval_tokens);
  take("--stop-after", f.overrides.stop_after, o.stop_after);
  take("--lr", f.overrides.lr, o.lr);
  take("--min-lr", f.overrides.min_lr, o.min_lr);
  take("--checkpoint-seconds", f.overrides.checkpoint_seconds, o.checkpoint_seconds);
  take("--max-seconds", f.overrides.max_seconds, o.max_seconds);
  take("--data", f.overrides.data, o.data);
  take("--valid", f.overrides.valid, o.valid);
  take("--labels", f.overrides.labels, o.labels);
  take("--features", f.overrides.features, o.features);
  take("--valid-features", f.overrides.valid_features, o.valid_features);
}

// Whatever else decides a run is part of its checkpoint: naming it again would be ignored, so it is refused.
void refuse_other_flags(const CLI::App& app) {
  const std::set<std::string> allowed = {"--resume",
                                         "--out",
                                         "--export",
                                         "--save-dtype",
                                         "--steps",
                                         "--checkpoint-steps",
                                         "--keep",
                                         "--eval-steps",
                                         "--eval-tokens",
                                         "--stop-after",
                                         "--lr",
                                         "--min-lr",
                                         "--checkpoint-seconds",
                                         "--max-seconds",
                                         "--data",
                                         "--valid",
                                         "--labels",
                                         "--features",
                                         "--valid-features"};
  for (const CLI::Option* o : app.get_options()) {
    if (o->count() == 0 || o->get_group() == kCommonGroup) continue;
    const std::string name = "--" + o->get_lnames().front();
    check(allowed.count(name) != 0, ErrorCode::kUsage,
          "[train] {} cannot change on resume; leave it out, or begin a new run", name);
  }
}

void finish_options(const CLI::App& app, TrainFlags& f) {
  TrainOptions& o = f.options;
  o.schedule = parse_schedule(f.schedule);
  if (o.labelled() && app.count("--length") == 0) o.length = TrainOptions::kWholeSequences;
  o.carry = !f.no_carry;
  o.gemm = parse_dtype(f.gemm);
  o.save_dtype = parse_dtype(f.save_dtype);
  check(!o.out.empty(), ErrorCode::kUsage, "[train] expected --out DIR (or --resume DIR), found none");
  o.check_complete();
  check(!o.labelled() || app.count("--forget") == 0, ErrorCode::kUsage,
        "[--forget] expected a run that carries its state, found --task classify, where every sequence starts from "
        "zeros");
}

}  // namespace

int train_command(Arguments arguments) {
  constexpr const char* kLabelledExample =
      "train --task classify --labels train.tsv --valid dev.tsv --arch mamba2 --d-model 64 --n-layer 2 --tokenizer "
      "tokenizer.json --out runs/s";
  CommandLine line(
      "train", "Train a model. Ctrl-C saves; a run resumes to the last bit.",
      {"train --config config.json --tokenizer tokenizer.json --data books.txt --valid held-out.txt --out runs/a",
       "train --resume runs/a", "train -m some-model --data more.txt --lr 3e-4 --steps 500 --out runs/b",
       "train --arch rwkv7 --d-model 256 --n-layer 4 --tokenizer tokenizer.json --data books.txt --out runs/r",
       "train --task induction --arch mamba2 --d-model 64 --n-layer 2 --out runs/c",
       "train --resume runs/a --export my-model", kLabelledExample,
       "train --task classify --labels y.npy --features x.npy --arch gru --d-model 64 --n-layer 1 --out runs/f"});
  TrainFlags flags;
  add_data_flags(line.app(), flags);
  add_label_flags(line.app(), flags.options);
  add_number_flags(line.app(), flags);
  add_cadence_flags(line.app(), flags);
  if (!line.parse(std::move(arguments))) return 0;

  const bool resuming = flags.resume_option->count() > 0;
  const std::string run_dir = flags.resume.empty() ? flags.options.out : flags.resume;
  if (!flags.export_dir.empty()) {
    check(!run_dir.empty(), ErrorCode::kUsage, "[train] --export expects --resume DIR, found none");
    export_model(run_dir, flags.export_dir, parse_dtype(flags.save_dtype));
    note("wrote " + flags.export_dir);
    return 0;
  }
  TrainEvents events;
  events.progress = line.progress();
  events.on_held_out = [](int64_t step, const HeldOut& h) {
    note(fmt::format("step {}: held-out loss {:.4f} nats/token, {:.4f} bits/byte", step, h.nats_per_token,
                     h.bits_per_byte));
  };
  events.on_labelled = [](int64_t step, const LabelledScore& s) {
    note(fmt::format("step {}: held out: {}", step, describe(s)));
  };
  TrainReport report;
  if (resuming) {
    check(!run_dir.empty(), ErrorCode::kUsage, "[train] --resume expects a run directory, found none");
    refuse_other_flags(line.app());
    take_overrides(line.app(), flags);
    report = resume(run_dir, flags.overrides, events);
  } else {
    finish_options(line.app(), flags);
    report = train(flags.options, events);
  }
  print_training(report, run_dir, line.json());
  return report.end == TrainReport::End::kSignal ? 128 + report.signal : 0;
}

}  // namespace hindscan::cli
