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

void need(bool ok, const char* what) { check(ok, ErrorCode::kUsage, "[train] {}", what); }

}  // namespace

Schedule parse_schedule(const std::string& name) { return schedule_from_name(name, "train", ErrorCode::kUsage); }

void TrainOptions::check_complete() const {
  check(!out.empty(), ErrorCode::kUsage, "[train] expected --out DIR (or --resume DIR), found none");
  const int sources = !model.empty() + !config.empty() + !arch.empty();
  check(sources == 1, ErrorCode::kUsage, "[train] expected one of --model DIR, --config FILE and --arch NAME, found {}",
        sources == 0 ? "none" : "several");
  check(data.empty() != task.empty(), ErrorCode::kUsage,
        "[train] expected one of --data FILE and --task NAME, found {}", data.empty() ? "none" : "both");
}

std::string TrainOptions::log_path() const { return log.empty() ? join_path(out, "log.jsonl") : log; }

const std::string& TrainOptions::given_name(const std::string& path) const {
  const auto found = given.find(path);
  return found == given.end() ? path : found->second;
}

void TrainOptions::check_ranges() const {
  constexpr int64_t kMany = int64_t{1} << 40;
  need(!out.empty(), "expected a run directory; add --out DIR");
  need(data.empty() != task.empty(), "expected either data files or a task; add --data FILE or --task NAME");
  need(int{!model.empty()} + int{!config.empty()} + int{!arch.empty()} == 1,
       "expected either a model to start from, a config.json or an architecture; add -m DIR, --config FILE or --arch "
       "NAME");
  need(labelled() != labels.empty(), labelled() ? "--task classify expects labelled sequences; add --labels FILE"
                                                : "--labels expects --task classify");
  need(labelled() || (features.empty() && valid_features.empty()), "--features expects --task classify");
  need(label_column >= 0 && label_column <= 65536, "expected a label column of 1 to 65536");
  need(text_column >= 0 && text_column <= 65536, "expected a text column of 1 to 65536");
  need(header == "auto" || header == "yes" || header == "no", "expected header auto, yes or no");
  need(pooling.empty() || pooling == "mean" || pooling == "last" || pooling == "first" || pooling == "max",
       "expected pooling by mean, last, first or max");
  need(steps >= 0 && steps < kMany, "expected steps >= 0");
  need(sequences >= 1 && sequences <= 65536, "expected 1 to 65536 sequences");
  need(length >= 1 && length <= (1 << 24), "expected a sequence length of 1 to 2^24");
  need(accumulation >= 1 && accumulation <= 65536, "expected 1 to 65536 accumulation steps");
  need(std::isfinite(lr) && lr > 0, "expected a finite lr > 0");
  need(std::isfinite(min_lr) && min_lr >= 0 && min_lr <= lr, "expected 0 <= min-lr <= lr");
  need(warmup >= 0 && warmup < kMany, "expected warmup >= 0");
  need(decay_part > 0 && decay_part <= 1, "expected a decay part in (0, 1]");
  need(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, "expected betas in [0, 1)");
  need(std::isfinite(eps) && eps > 0, "expected eps > 0");
  need(std::isfinite(weight_decay) && weight_decay >= 0, "expected weight decay >= 0");
  need(std::isfinite(clip) && clip >= 0, "expected clip >= 0");
  need(gemm == DType::kBF16 || gemm == DType::kF32, "expected gemm bf16 or f32");
  need(save_dtype != DType::kF64, "expected a saved type of f32, bf16 or f16");
  need(forget >= 0 && forget <= 1, "expected a forget probability in [0, 1]");
  need(checkpoint_steps >= 0 && checkpoint_seconds >= 0 && keep >= 1, "expected checkpoint intervals >= 0, keep >= 1");
  need(eval_steps >= 0 && eval_tokens >= 1, "expected eval steps >= 0, eval tokens >= 1");
  need(max_seconds >= 0 && stop_after >= 0 && max_skipped >= 1, "expected limits >= 0, max skipped >= 1");
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
