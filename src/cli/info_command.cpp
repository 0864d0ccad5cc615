// hindscan info: what a model holds.
#include <fmt/format.h>

#include "base/counted.h"
#include "base/formats.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "core/classifier_config.h"
#include "io/printable.h"
#include "model/config_json.h"
#include "model/file_format.h"

namespace hindscan::cli {
namespace {

constexpr int64_t kHeadDim = 64;  // of the Transformer it is compared with

// A classifier declares its family's embedding or head without numbers where it has no use for them.
std::vector<const Weight*> stored(const WeightTable& weights) {
  std::vector<const Weight*> out;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i].size() > 0) out.push_back(&weights[i]);
  }
  return out;
}

// ": bad, good", at most ten.
std::string named_labels(const Model& model) {
  std::vector<std::string> names = classifier_options(model.arch().hf_config()).label_names;
  if (names.empty()) return "";
  constexpr size_t kShown = 10;
  const bool more = names.size() > kShown;
  names.resize(std::min(kShown, names.size()));
  return printable(fmt::format(": {}{}", fmt::join(names, ", "), more ? ", ..." : "")).text;
}

struct Counts {
  int64_t parameters = 0;
  size_t bytes = 0;
  std::map<std::string, int64_t> by_type;
};

Counts count(const WeightTable& weights) {
  Counts c;
  for (size_t i = 0; i < weights.size(); ++i) {
    c.parameters += weights[i].size();
    c.bytes += static_cast<size_t>(weights[i].size()) * dtype_size(weights[i].dtype);
    c.by_type[dtype_name(weights[i].dtype)] += weights[i].size();
  }
  return c;
}

// A file of ours that is no model: its format and the weights it belongs to.
void print(const FileFormat& f, const std::string& path, bool json) {
  if (!json)
    return Out::get().print("file        {}\nformat      {}\nweights     {}\n", printable(path).text, f.name,
                            f.weights.empty() ? "not named" : printable(f.weights).text);
  Json out = Json::object();
  out.set("schema", format::kInfoJson).set("file", path).set("format", f.name).set("weights", f.weights);
  Out::get().write(to_string(out, {.indent = 2}) + "\n");
}

int64_t transformer_maps(const ArchitectureSizes& s) { return s.n_layer * std::max<int64_t>(1, s.d_model / kHeadDim); }

Json to_json(const Model& model, bool checked, const std::string& damaged) {
  const ArchitectureSizes s = model.arch().sizes();
  const Counts c = count(model.weights());
  Json tensors = Json::array();
  for (const Weight* w : stored(model.weights())) {
    tensors.push(Json::object().set("name", w->name).set("shape", w->shape).set("dtype", dtype_name(w->dtype)));
  }
  Json out = Json::object();
  out.set("schema", format::kInfoJson)
      .set("model", model.path())
      .set("weights", model.weights_hash())
      .set("config", config_to_json(model.arch().hf_config()))
      .set("unknown_config_keys", model.unknown_keys());
  out.set("parameters", c.parameters).set("bytes", c.bytes).set("layers", s.n_layer).set("d_model", s.d_model);
  out.set("vocab_size", s.vocab_size).set("tokenizer", model.has_tokenizer());
  if (!model.tokenizer_problem().empty()) out.set("tokenizer_problem", model.tokenizer_problem());
  out.set("implicit_attention_matrices", s.attention_maps).set("transformer_attention_matrices", transformer_maps(s));
  out.set("transformer_head_dim", kHeadDim).set("state_numbers", s.state_numbers);
  out.set("cache_per_token", s.cache_per_token)
      .set("labels", s.labels)
      .set("regression", s.regression)
      .set("feature_dim", s.feature_dim);
  out.set("flops_per_token", model.arch().flops_per_token());
  if (checked) out.set("finite", damaged.empty()).set("first_non_finite", damaged.empty() ? Json() : Json(damaged));
  return out.set("tensors", std::move(tensors));
}

std::string config_line(const Config& config) {
  std::string out;
  const Json json = config_to_json(config);
  for (const JsonMember& m : json.members()) {
    out += fmt::format("{}{}={}", out.empty() ? "" : "  ", m.key,
                       m.value.is_string() ? m.value.as_string() : to_string(m.value));
  }
  return out;
}

void print(const Model& model, bool with_tensors) {
  const ArchitectureSizes s = model.arch().sizes();
  const Counts c = count(model.weights());
  std::vector<std::string> types;
  for (const auto& [name, n] : c.by_type)
    types.push_back(fmt::format("{} {}", format_count(static_cast<double>(n)), name));
  Out& out = Out::get();
  out.print("model       {}\n", printable(model.path()).text);
  out.print("config      {}\n", printable(config_line(model.arch().hf_config())).text);
  out.print("parameters  {} ({}), {} in {}\n", c.parameters, fmt::join(types, ", "),
            needed_size(static_cast<uint64_t>(c.bytes)), counted(stored(model.weights()).size(), "tensor"));
  out.print("weights     {}\n", model.weights_hash());
  if (s.feature_dim > 0) out.print("input       vectors of {}\n", counted(s.feature_dim, "number"));
  if (s.feature_dim == 0) {
    const std::string problem =
        model.tokenizer_problem().empty() ? "none lies with the model" : model.tokenizer_problem();
    out.print("vocabulary  {}{}\n", counted(s.vocab_size, "token"),
              model.has_tokenizer()
                  ? ""
                  : printable(fmt::format(" (no tokenizer: {}; use --tokens or --tokenizer)", problem)).text);
  }
  if (s.labels > 0)
    out.print("output      {} a sequence{}\n", counted(s.labels, s.regression ? "number" : "class score"),
              named_labels(model));
  out.print("attention   {} ({} x {}); a Transformer of its size has {} ({} x {} of {})\n",
            counted(s.attention_maps, "implicit matrix", "implicit matrices"), counted(s.n_layer, "layer"),
            s.n_layer > 0 ? s.attention_maps / s.n_layer : 0, transformer_maps(s), counted(s.n_layer, "layer"),
            counted(s.n_layer > 0 ? transformer_maps(s) / s.n_layer : 0, "head"), kHeadDim);
  out.print(
      "state       {}, {}, whatever the length of the text{}\n", counted(s.state_numbers, "number"),
      needed_size(4 * static_cast<uint64_t>(s.state_numbers)),
      s.cache_per_token == 0 ? "" : fmt::format("; and {} with every token, up to the windows", s.cache_per_token));
  out.print("work        {} multiply-adds per token\n",
            format_count(static_cast<double>(model.arch().flops_per_token()) / 2));
  if (!with_tensors) return;
  out.print("\n{:<48} {:<6} {}\n", "tensor", "dtype", "shape");
  for (const Weight* w : stored(model.weights())) {
    out.print("{} {:<6} [{}]\n", pad_right(printable(w->name), 48), dtype_name(w->dtype), fmt::join(w->shape, ", "));
  }
}

}  // namespace

int info_command(Arguments arguments) {
  CommandLine line("info",
                   "What a model holds: sizes, tensors, implicit attention matrices. Of a state, a report (JSON, NPZ): "
                   "its format and the weights it belongs to.",
                   {"info", "info -m models/english --tensors", "info some-model --check --json"});
  line.add_model();
  bool with_tensors = false, check_values = false;
  line.app().add_flag("--tensors", with_tensors, "List every tensor (always in --json)");
  line.app().add_flag("--check", check_values, "Look for NaN and infinities; exit code 65 if there are any");
  if (!line.parse(std::move(arguments))) return 0;

  const std::string path = line.model_path();
  const std::optional<FileFormat> file = file_format(path);
  if (file && file->name != format::kModel) {
    print(*file, path, line.json());
    return 0;
  }
  const Model model = line.load_model(false);
  const std::string damaged = check_values ? find_non_finite(model.weights()) : "";
  if (line.json()) {
    Out::get().write(to_string(to_json(model, check_values, damaged), {.indent = 2}) + "\n");
  } else {
    print(model, with_tensors);
    if (check_values && damaged.empty()) Out::get().print("check       every weight is finite\n");
  }
  check(damaged.empty(), ErrorCode::kData, "[{}] expected finite weights, found {}; fetch the file again", model.path(),
        damaged);
  return 0;
}

}  // namespace hindscan::cli
