// Every setting of a training run. Written into each checkpoint; the ones that change the arithmetic must agree on
// resume.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "kernels/dtype.h"

namespace hindscan {

enum class Schedule : uint8_t { kCosine, kLinear, kConstant, kWsd };

Schedule parse_schedule(const std::string& name);  // "cosine", "linear", "constant", "wsd"; Error(kUsage)

struct TrainOptions {
  // What is trained
  std::string model;   // directory to start from (weights, config, tokenizer); or else
  std::string config;  // config.json of a model with fresh weights
  std::string arch;    // or a family's name: fresh weights in its published proportions, of this size:
  int64_t d_model = 256, n_layer = 4;
  std::string tokenizer;  // tokenizer.json for fresh weights; not needed with a task
  // On what
  std::vector<std::string> data;  // text files, documents separated by "<|endoftext|>"; a file named twice counts twice
  std::string task;  // instead of data: selective-copy, induction, reset, two-hop, or classify, which reads:
  std::string labels, features;  // labelled sequences, see labelled.h
  int64_t label_column = 0, text_column = 0;
  std::string header = "auto";
  std::string text_field = "text", label_field = "label";
  std::string pooling;      // mean, last, first, max; empty: what the configuration says, or mean
  bool regression = false;  // labels are numbers to predict even if all are whole
  std::string valid;        // held-out text, or labels of held-out sequences; empty: none
  std::string valid_features;
  std::map<std::string, std::string> given;  // what the user called a file that is read from its copy; not stored
  const std::string& given_name(const std::string& path) const;
  // Where to
  std::string out;  // run directory: checkpoints, token cache, kept inputs, log, and model/ when the run ends
  std::string log;  // JSONL; empty: <out>/log.jsonl

  int64_t steps = 1000;   // optimiser steps in all
  int64_t sequences = 8;  // sequences of one micro-step
  static constexpr int64_t kWholeSequences = int64_t{1} << 24;
  int64_t length = 256;      // tokens of a sequence; of a labelled one, the most that are read
  int64_t accumulation = 1;  // micro-steps of one optimiser step
  double lr = 3e-3;          // peak
  double min_lr = 1e-5;      // at the end
  int64_t warmup = 100;      // steps
  Schedule schedule = Schedule::kCosine;
  double decay_part = 0.2;  // kWsd: share of the steps after warmup in which lr falls
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;  // on matrices and convolutions, embeddings included
  double clip = 1.0;          // largest global gradient norm; 0: no clipping
  uint64_t seed = 1;
  DType gemm = DType::kBF16;  // products in bf16 or f32; master weights are always f32
  bool recompute = false;     // run blocks again in the backward pass instead of keeping their activations
  bool carry = true;          // a stream continues from its last state; false: every sequence starts from zero
  double forget = 0.0;        // with carry: probability that a sequence starts from zero all the same

  int64_t checkpoint_steps = 0;     // save every so many steps; 0: by time only
  double checkpoint_seconds = 300;  // save every so many seconds; 0: by steps only
  int64_t keep = 3;                 // checkpoints to keep
  int64_t eval_steps = 0;           // held-out loss every so many steps; 0: only at the end
  int64_t eval_tokens = 65536;      // of these many tokens; at the end of all
  DType save_dtype = DType::kBF16;  // matrices of the finished model: bf16, f16 or f32
  double max_seconds = 0;           // stop and save after this much time; 0: no limit
  int64_t stop_after = 0;           // stop and save at this step without touching the schedule; 0: run all steps
  int64_t max_skipped = 10;         // non-finite steps in a row before the run gives up

  bool labelled() const { return task == "classify"; }
  int64_t streams() const { return sequences * accumulation; }
  std::string log_path() const;
  void check_complete() const;  // Error(kUsage) unless what is trained, on what and where to are each said once
  void check_ranges() const;    // that, and Error(kUsage) for numbers out of range
};

Json to_json(const TrainOptions& options);
TrainOptions train_options_from_json(const Json& json, const std::string& label);
// Of everything that decides the numbers of a run, steps and learning rates included; paths, cadences and limits are
// not.
uint64_t arithmetic_hash(const TrainOptions& options);

// What a resumed run may change; anything set here that decides numbers is logged.
struct TrainOverrides {
  std::optional<int64_t> steps, checkpoint_steps, keep, eval_steps, eval_tokens, stop_after;
  std::optional<double> lr, min_lr, checkpoint_seconds, max_seconds;
  // Files given again: those of the run directory are used otherwise, never the paths that its checkpoints name.
  std::optional<std::vector<std::string>> data;
  std::optional<std::string> valid, labels, features, valid_features;
  void apply(TrainOptions& options) const;
};

}  // namespace hindscan
