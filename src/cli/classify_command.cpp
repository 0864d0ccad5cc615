// hindscan classify: what a trained classifier or regressor says of texts or feature vectors.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/budget.h"
#include "base/counted.h"
#include "base/formats.h"
#include "base/order.h"
#include "base/signals.h"
#include "cli/column_flags.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/measured.h"
#include "cli/streams.h"
#include "io/interval_json.h"
#include "io/printable.h"
#include "io/text_file.h"
#include "model/encode_text.h"
#include "model/predict.h"
#include "train/labelled.h"

namespace hindscan::cli {
namespace {

struct ClassifyFlags {
  std::string lines, features;
  LabelledFiles labelled;
};

// Sequences to judge: of the prompt, one a line of a file, or of an array.
struct Sequences {
  std::vector<std::vector<int32_t>> tokens;
  FeatureArray features;
  int64_t size() const { return tokens.empty() ? features.count : std::ssize(tokens); }
};

std::vector<std::vector<int32_t>> read_lines(const Model& model, const std::string& path) {
  const std::string text = read_text_file(path, Budget::of_machine(path).left());
  std::vector<std::vector<int32_t>> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    if (!line.empty()) out.push_back(encode_text(model, line));
    at = end + 1;
  }
  check(!out.empty(), ErrorCode::kData, "[{}] expected a text a line, found none", path);
  return out;
}

// One thing to judge; a text, a file of lines and an array would leave each other out.
void check_one_source(const CommandLine& line, const ClassifyFlags& f) {
  const bool labels = !f.labelled.labels.empty();
  const size_t sources = line.prompts_given() + !f.lines.empty() + labels + (!f.features.empty() && !labels);
  check(sources <= 1 && (f.lines.empty() || f.features.empty()), ErrorCode::kUsage,
        "[classify] expected one of -p TEXT, -f FILE, --tokens IDS, --lines FILE, --features FILE and --labels FILE, "
        "found several");
}

Sequences read_sequences(const Model& model, const CommandLine& line, const ClassifyFlags& f) {
  const ArchitectureSizes sizes = model.arch().sizes();
  check((sizes.feature_dim > 0) == !f.features.empty(), ErrorCode::kUsage, "[{}] reads {}; give {}", model.path(),
        sizes.feature_dim > 0 ? "vectors of " + counted(sizes.feature_dim, "number") : "texts",
        sizes.feature_dim > 0 ? "--features FILE.npy" : "-p TEXT, -f FILE or --lines FILE");
  Sequences out;
  if (!f.features.empty()) {
    out.features = read_features(f.features);
    check(out.features.dim == sizes.feature_dim, ErrorCode::kData, "[{}] expected vectors of {}, found {}", f.features,
          counted(sizes.feature_dim, "number"), out.features.dim);
  } else if (!f.lines.empty()) {
    out.tokens = read_lines(model, f.lines);
  } else {
    out.tokens = {line.read_prompt(model).tokens};
  }
  return out;
}

std::vector<float> scores_of(const Model& model, const Sequences& s, int64_t i) {
  Input input;
  const int64_t n = s.features.length * s.features.dim;
  if (s.tokens.empty())
    input.features = std::span(s.features.values).subspan(static_cast<size_t>(i * n), static_cast<size_t>(n));
  else
    input.tokens = s.tokens[static_cast<size_t>(i)];
  input.feature_dim = s.features.dim;
  return predict(model, input);
}

class Printer {
 public:
  Printer(const Model& model, bool json, bool several)
      : names_(label_names(model)), regression_(model.arch().sizes().regression), json_(json), several_(several) {
    if (!json_) return;
    Json labels = Json::array();
    for (const std::string& name : names_) labels.push(name);
    Out::get().print("{{\"schema\":\"{}\",\"labels\":{},\"sequences\":[", format::kClassifyJson, to_string(labels));
  }

  void add(int64_t i, std::span<const float> scores) {
    const std::vector<double> p =
        regression_ ? std::vector<double>(scores.begin(), scores.end()) : probabilities(scores);
    if (json_) return add_json(i, scores, p);
    if (regression_) {
      std::vector<std::string> numbers;
      numbers.reserve(p.size());
      for (const double v : p) numbers.push_back(fmt::format("{:.6g}", v));
      return Out::get().print("{}{}\n", several_ ? fmt::format("{}\t", i) : "", fmt::join(numbers, "\t"));
    }
    const std::vector<size_t> order = ranked(p);
    if (several_) return Out::get().print("{}\t{}\t{:.6f}\n", i, printable(names_[order[0]]).text, p[order[0]]);
    for (const size_t k : order) Out::get().print("{:.6f}\t{}\n", p[k], printable(names_[k]).text);
  }

  void finish() {
    if (json_) Out::get().write("\n]}\n");
  }

 private:
  static std::vector<size_t> ranked(const std::vector<double>& p) {
    std::vector<size_t> order(p.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return descending(p[a], p[b]); });
    return order;
  }

  void add_json(int64_t i, std::span<const float> scores, const std::vector<double>& p) {
    const Json numbers(std::vector<float>(scores.begin(), scores.end()));
    Json item = Json::object();
    if (regression_)
      item.set("values", numbers);
    else
      item.set("label", names_[ranked(p)[0]]).set("probabilities", p).set("scores", numbers);
    Out::get().print("{}\n{}", i > 0 ? "," : "", to_string(item));
  }

  std::vector<std::string> names_;
  bool regression_, json_, several_;
};

void print_score(const LabelledScore& s, bool json) {
  Json out = Json::object();
  out.set("schema", format::kClassifyJson).set("examples", s.examples);
  out.set(s.regression ? "rmse" : "accuracy", s.regression ? s.rmse : s.accuracy);
  out.set(s.regression ? "rmse_interval" : "accuracy_interval", interval_json(s.interval)).set("loss", s.loss);
  if (json) return Out::get().write(to_string(out, {.indent = 2}) + "\n");
  Out::get().print("{}\n", describe(s));
}

void add_flags(CLI::App& app, ClassifyFlags& f) {
  app.add_option("--lines", f.lines, "Text file, a sequence a line")->type_name("FILE");
  app.add_option("--features", f.features, "Vectors [N, tokens, numbers] or [N, numbers], .npy")->type_name("FILE");
  app.add_option("--labels", f.labelled.labels,
                 "Labelled sequences as of 'train': how many are right, or the RMSE, and its 95 % interval")
      ->type_name("FILE");
  add_column_flags(app, f.labelled.label_column, f.labelled.text_column, f.labelled.header, f.labelled.label_field,
                   f.labelled.text_field);
}

}  // namespace

int classify_command(Arguments arguments) {
  CommandLine line(
      "classify",
      "Label probabilities (or numbers) of texts or feature vectors, by a model of 'train --task classify'.\nOf one "
      "text a line "
      "for each label: probability, label; of several a line for each: its number from 0, label, probability.",
      {"classify -m runs/s/model -p \"A film to remember.\"", "classify -m runs/s/model --lines reviews.txt --json",
       "classify -m runs/f/model --features x.npy", "classify -m runs/s/model --labels test.tsv"});
  line.add_model(false);
  line.add_prompt();
  ClassifyFlags flags;
  add_flags(line.app(), flags);
  if (!line.parse(std::move(arguments))) return 0;
  check_one_source(line, flags);
  check(line.model_given(), ErrorCode::kUsage,
        "[classify] expected -m MODEL, a classifier or regressor, found none; train one with 'hindscan train --task "
        "classify'");

  const Model model = line.load_model();
  check(model.arch().sizes().labels > 0, ErrorCode::kData,
        "[{}] expected a classifier or regressor, found a language model; train one with 'hindscan train --task "
        "classify'",
        model.path());
  if (!flags.labelled.labels.empty()) {
    flags.labelled.features = flags.features;
    const LabelledSet set = load_labelled(flags.labelled, model, int64_t{1} << 40, line.progress());
    print_score(evaluate_labelled(model, set, 0, line.progress()), line.json());
    return 0;
  }
  const Sequences sequences = read_sequences(model, line, flags);
  Printer printer(model, line.json(), sequences.size() > 1);
  ProgressTask progress(line.progress(), "classifying", "sequences", static_cast<uint64_t>(sequences.size()));
  for (int64_t i = 0; i < sequences.size(); ++i) {
    printer.add(i, scores_of(model, sequences, i));
    progress.set(static_cast<uint64_t>(i + 1));
    throw_if_stopped();
  }
  printer.finish();
  return 0;
}

}  // namespace hindscan::cli
