#include "train/options.h"

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "io/json_reader.h"

namespace hindscan {
namespace {

constexpr std::array<const char*, 4> kScheduleNames = {"cosine", "linear", "constant", "wsd"};

// One list of the plain fields serves writing, reading and hashing. visit(key, field, decides the numbers).
template <class Options, class Visit>
void each_field(Options& o, Visit&& visit) {
  visit("model", o.model, false);
  visit("config", o.config, false);
  visit("arch", o.arch, false);
  visit("d_model", o.d_model, false);
  visit("n_layer", o.n_layer, false);
  visit("tokenizer", o.tokenizer, false);
  visit("task", o.task, true);
  visit("labels", o.labels, false);
  visit("features", o.features, false);
  visit("label_column", o.label_column, true);
  visit("text_column", o.text_column, true);
  visit("header", o.header, true);
  visit("text_field", o.text_field, true);
  visit("label_field", o.label_field, true);
  visit("pooling", o.pooling, true);
  visit("regression", o.regression, true);
  visit("valid", o.valid, false);
  visit("valid_features", o.valid_features, false);
  visit("out", o.out, false);
  visit("log", o.log, false);
  visit("steps", o.steps, true);
  visit("sequences", o.sequences, true);
  visit("length", o.length, true);
  visit("accumulation", o.accumulation, true);
  visit("lr", o.lr, true);
  visit("min_lr", o.min_lr, true);
  visit("warmup", o.warmup, true);
  visit("decay_part", o.decay_part, true);
  visit("beta1", o.beta1, true);
  visit("beta2", o.beta2, true);
  visit("eps", o.eps, true);
  visit("weight_decay", o.weight_decay, true);
  visit("clip", o.clip, true);
  visit("seed", o.seed, true);
  visit("recompute", o.recompute, false);
  visit("carry", o.carry, true);
  visit("forget", o.forget, true);
  visit("checkpoint_steps", o.checkpoint_steps, false);
  visit("checkpoint_seconds", o.checkpoint_seconds, false);
  visit("keep", o.keep, false);
  visit("eval_steps", o.eval_steps, false);
  visit("eval_tokens", o.eval_tokens, false);
  visit("max_seconds", o.max_seconds, false);
  visit("stop_after", o.stop_after, false);
  visit("max_skipped", o.max_skipped, false);
}

struct Reader {
  const JsonReader& json;
  void operator()(const char* key, std::string& v, bool) const { v = json.get_string_or(key, v); }
  void operator()(const char* key, int64_t& v, bool) const { v = json.get_int_or(key, v); }
  void operator()(const char* key, uint64_t& v, bool) const {
    v = static_cast<uint64_t>(json.get_int_or(key, static_cast<int64_t>(v), 0));
  }
  void operator()(const char* key, double& v, bool) const { v = json.get_double_or(key, v); }
  void operator()(const char* key, bool& v, bool) const { v = json.get_bool_or(key, v); }
};

Schedule schedule_from_name(const std::string& name, const std::string& where, ErrorCode code = ErrorCode::kData) {
  for (size_t i = 0; i < kScheduleNames.size(); ++i) {
    if (name == kScheduleNames[i]) return static_cast<Schedule>(i);
  }
  fail(code, "[{}] expected one of {}, found \"{}\"", where, fmt::join(kScheduleNames, ", "), name);
}

DType dtype_from_name(const std::string& name, const std::string& where) {
  for (DType d : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (name == dtype_name(d)) return d;
  }
  fail(ErrorCode::kData, "[{}] expected f32, bf16 or f16, found \"{}\"", where, name);
}

template <class T>
void within(bool ok, const std::string& expected, const T& found) {
  check(ok, ErrorCode::kUsage, "[train] expected {}, found {}", expected, found);
}

void need(bool ok, const char* what) { check(ok, ErrorCode::kUsage, "[train] {}", what); }

}  // namespace

Schedule parse_schedule(const std::string& name) { return schedule_from_name(name, "train", ErrorCode::kUsage); }

void TrainOptions::check_complete() const {
  check(!out.empty(), ErrorCode::kUsage, "[train] expected a run directory (out), found none");
  const int sources = !model.empty() + !config.empty() + !arch.empty();
  check(sources == 1, ErrorCode::kUsage,
        "[train] expected one of a model, a config and an arch to begin with, found {}",
        sources == 0 ? "none" : "several");
  check(data.empty() != task.empty(), ErrorCode::kUsage,
        "[train] expected one of data and a task to learn from, found {}", data.empty() ? "none" : "both");
}

std::string TrainOptions::log_path() const { return log.empty() ? join_path(out, "log.jsonl") : log; }

const std::string& TrainOptions::given_name(const std::string& path) const {
  const auto found = given.find(path);
  return found == given.end() ? path : found->second;
}

void TrainOptions::check_ranges() const {
  constexpr int64_t kMany = int64_t{1} << 40;
  check_complete();
  need(labelled() != labels.empty(), labelled()
                                         ? "the task classify expects labelled sequences; name the file of their labels"
                                         : "labels expect the task classify");
  need(labelled() || (features.empty() && valid_features.empty()), "features expect the task classify");
  need(labelled() || !regression, "a regression expects the task classify");
  within(label_column >= 0 && label_column <= 65536, "a label column of 1 to 65536", label_column);
  within(text_column >= 0 && text_column <= 65536, "a text column of 1 to 65536", text_column);
  within(header == "auto" || header == "yes" || header == "no", "header auto, yes or no", header);
  within(pooling.empty() || pooling == "mean" || pooling == "last" || pooling == "first" || pooling == "max",
         "pooling by mean, last, first or max", pooling);
  within(steps >= 0 && steps < kMany, "0 steps or more", steps);
  within(sequences >= 1 && sequences <= 65536, "1 to 65536 sequences", sequences);
  within(length >= 1 && length <= (1 << 24), "a sequence length of 1 to 2^24", length);
  within(accumulation >= 1 && accumulation <= 65536, "1 to 65536 accumulation steps", accumulation);
  within(std::isfinite(lr) && lr > 0, "a finite lr > 0", lr);
  within(std::isfinite(min_lr) && min_lr >= 0 && min_lr <= lr, fmt::format("a min-lr of 0 to the lr, {}", lr), min_lr);
  within(warmup >= 0 && warmup < kMany, "0 steps of warmup or more", warmup);
  within(decay_part > 0 && decay_part <= 1, "a decay part in (0, 1]", decay_part);
  within(beta1 >= 0 && beta1 < 1, "a beta1 in [0, 1)", beta1);
  within(beta2 >= 0 && beta2 < 1, "a beta2 in [0, 1)", beta2);
  within(std::isfinite(eps) && eps > 0, "an eps > 0", eps);
  within(std::isfinite(weight_decay) && weight_decay >= 0, "a weight decay >= 0", weight_decay);
  within(std::isfinite(clip) && clip >= 0, "a clip >= 0", clip);
  within(gemm == DType::kBF16 || gemm == DType::kF32, "gemm bf16 or f32", dtype_name(gemm));
  within(save_dtype != DType::kF64, "a saved type of f32, bf16 or f16", dtype_name(save_dtype));
  within(forget >= 0 && forget <= 1, "a forget probability in [0, 1]", forget);
  within(checkpoint_steps >= 0, "0 steps or more between checkpoints", checkpoint_steps);
  within(checkpoint_seconds >= 0, "0 seconds or more between checkpoints", checkpoint_seconds);
  within(keep >= 1, "1 checkpoint or more to keep", keep);
  within(eval_steps >= 0, "0 steps or more between held-out losses", eval_steps);
  within(eval_tokens >= 1, "1 held-out token or more", eval_tokens);
  within(max_seconds >= 0, "a limit of 0 seconds or more", max_seconds);
  within(stop_after >= 0, "a last step of 0 or more", stop_after);
  within(max_skipped >= 1, "1 skipped step or more", max_skipped);
}

Json to_json(const TrainOptions& o) {
  Json json = Json::object();
  each_field(o, [&](const char* key, const auto& value, bool) { json.set(key, Json(value)); });
  json.set("data", Json(o.data));
  json.set("schedule", kScheduleNames[static_cast<size_t>(o.schedule)]);
  json.set("gemm", dtype_name(o.gemm));
  json.set("save_dtype", dtype_name(o.save_dtype));
  return json;
}

TrainOptions train_options_from_json(const Json& json, const std::string& label) {
  const JsonReader reader(json, label, "options");
  TrainOptions o;
  each_field(o, Reader{reader});
  if (reader.has("data")) {
    for (const Json& item : reader.get_array("data")) {
      check(item.is_string(), ErrorCode::kData, "[{}] expected a list of file names", reader.where("data"));
      o.data.push_back(item.as_string());
    }
  }
  o.schedule = schedule_from_name(reader.get_string_or("schedule", "cosine"), reader.where("schedule"));
  o.gemm = dtype_from_name(reader.get_string_or("gemm", "bf16"), reader.where("gemm"));
  o.save_dtype = dtype_from_name(reader.get_string_or("save_dtype", "bf16"), reader.where("save_dtype"));
  return o;
}

uint64_t arithmetic_hash(const TrainOptions& o) {
  Json json = Json::object();
  each_field(o, [&](const char* key, const auto& value, bool decides) {
    if (decides) json.set(key, Json(value));
  });
  json.set("schedule", static_cast<int>(o.schedule));
  json.set("gemm", static_cast<int>(o.gemm));
  return xxh64(to_string(json));
}

void TrainOverrides::apply(TrainOptions& o) const {
  const auto set = [](auto& field, const auto& value) {
    if (value) field = *value;
  };
  set(o.steps, steps);
  set(o.checkpoint_steps, checkpoint_steps);
  set(o.keep, keep);
  set(o.eval_steps, eval_steps);
  set(o.eval_tokens, eval_tokens);
  o.stop_after = stop_after.value_or(0);
  o.max_seconds = max_seconds.value_or(0);
  set(o.lr, lr);
  set(o.min_lr, min_lr);
  set(o.checkpoint_seconds, checkpoint_seconds);
  set(o.data, data);
}

}  // namespace hindscan
