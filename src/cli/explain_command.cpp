// hindscan explain: which earlier tokens a prediction came from.
#include <fmt/format.h>

#include <algorithm>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/explain_output.h"
#include "cli/feature_input.h"
#include "cli/streams.h"
#include "eval/explain_judged.h"
#include "explain/report.h"
#include "explain/sentence.h"
#include "explain/target_measure.h"
#include "explain/target_text.h"
#include "viewer/explain_picture.h"
#include "viewer/html.h"
#include "viewer/npz.h"

namespace hindscan::cli {
namespace {

struct ExplainFlags {
  std::string methods, target_token, contrast = "auto", estimator = "exact", by, state_in;
  std::vector<std::string> outputs;
  FeatureInput features;
  bool per_layer = false, edits_given = false;
  ExplainView view;
};

// The older way to say row:estimator=NAME.
void set_estimator(const ExplainFlags& f, ExplainRequest& r) {
  if (f.estimator == "exact") return;
  const auto row =
      std::find_if(r.methods.begin(), r.methods.end(), [](const MethodSpec& m) { return m.name == "row"; });
  check(row != r.methods.end() && !r.first_only, ErrorCode::kUsage,
        "[--estimator] expected the method row, which it is of, found {}; name it with --method, or add --details",
        f.methods.empty() ? "none" : f.methods);
  check(row->options.empty(), ErrorCode::kUsage,
        "[--estimator] expected the estimator once, found it in --method as well: {}; leave the flag out", row->text());
  row->set("estimator", f.estimator);
}

std::string methods_help() {
  std::string names, options;
  for (const MethodInfo& m : method_table()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", m.name);
    if (*m.options != '\0') options += fmt::format("{}{}: {}", options.empty() ? "" : "; ", m.name, option_words(m));
  }
  return fmt::format(
      "{}; a list with commas, usual or all. Without this flag: scan alone, and with --details, --json or -o the usual "
      "ones. With options as in leave-one-out:tokens=16,edit=remove. {}",
      names, options);
}

std::vector<std::string> measure_names() {
  std::vector<std::string> out;
  for (const TargetMeasure& m : target_measures()) out.emplace_back(m.name);
  return out;
}

std::string measures_help() {
  std::string out = "What is explained:";
  for (const TargetMeasure& m : target_measures()) {
    const std::string unit = std::string_view(m.unit) == m.name ? "" : fmt::format(", in {}", m.unit);
    out += fmt::format("{} {} ({}{})", &m == &target_measures()[0] ? "" : ",", m.name, m.noun, unit);
  }
  return out + "; logit: less that of the contrast, which the others have none of";
}

void add_flags(CLI::App& app, ExplainFlags& f, ExplainRequest& r) {
  add_feature_input(app, f.features);
  app.add_option("--target", r.target, "Explain what follows this token, counted from 0; negative: from the end")
      ->capture_default_str();
  app.add_option(
      "--target-token", f.target_token,
      "Explain this token (of a classifier: the class of this number) instead of the most likely one; several with "
      "| between them count as one answer, \\| is the sign itself");
  app.add_option("--contrast", f.contrast,
                 "Against which token, or several with | between them: auto (the runner-up), none, or a text")
      ->capture_default_str();
  app.add_option("--measure", r.measure, measures_help())->check(one_of(measure_names()))->capture_default_str();
  app.add_option("--hops", r.hops,
                 "Steps back: tokens that the answer came from and that the model would have written itself (an "
                 "answer in between) are explained in turn, by the scan")
      ->check(whole_between(1, 8))
      ->capture_default_str();
  app.add_option("--method", f.methods, methods_help());
  app.add_option(
         "--estimator", f.estimator,
         "Of the row's core map, as row:estimator=NAME says it: exact, or key-dropping (delta rules without their "
         "erasing term, as other tools draw them) with its error beside the exact map")
      ->check(one_of({"exact", "key-dropping"}))
      ->capture_default_str();
  app.add_option(
      "--show", f.view.show,
      "Method of the heatmap (default: what taking tokens away does, where it was asked for every token; else the one "
      "that adds up to the target)");
  app.add_option("--by", f.by,
                 "Take out and show each token, word or sentence; scores are summed over it (default: words, where "
                 "the text has any)")
      ->check(one_of({"token", "word", "sentence"}));
  app.add_flag("--details", f.view.details,
               "Print the usual methods too, how they add up and agree with edits, layers, time and memory");
  app.add_option("--top", f.view.top, "Words in the table")->check(whole_between(0, 10000))->capture_default_str();
  app.add_option("--edits", r.causal_edits,
                 "Token edits really re-run to check the methods, with --details, --json or -o; 0: none")
      ->check(whole_between(0, 10000))
      ->capture_default_str();
  app.add_option("-s,--seed", r.seed, "Of the edits")->check(seed_number())->capture_default_str();
  app.add_option("--chunk", r.chunk, "Tokens kept in memory at a time")
      ->check(whole_between(1, 1 << 24))
      ->capture_default_str();
  app.add_option("--state-in", f.state_in, "What came before: a state file of 'run --state-out'")->type_name("FILE");
  app.add_flag("--per-layer", f.per_layer, "With --json or -o out.json: the scores of every layer too");
  app.add_option("-o,--output", f.outputs, "out.html, out.json, out.npz or out.png (may be repeated)")
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

bool known_output(const std::string& path) {
  for (const char* ending : {".html", ".json", ".npz", ".png"}) {
    if (path.ends_with(ending)) return true;
  }
  return false;
}

// Whether more is shown than one answer in a few lines: then the methods beside it have room, and their checks.
bool shows_all(const CommandLine& line, const ExplainFlags& f) {
  return f.view.details || line.json() || !f.outputs.empty();
}

void set_methods(const CommandLine& line, const ExplainFlags& f, ExplainRequest& r) {
  r.methods = parse_methods(f.methods.empty() ? "usual" : f.methods);
  r.first_only = f.methods.empty() && f.view.show.empty() && !shows_all(line, f);
  for (MethodSpec& m : r.methods) {
    if (!f.by.empty() && m.takes("by")) m.set("by", f.by);
  }
  set_estimator(f, r);
  if (!shows_all(line, f)) r.causal_edits = 0;
}

// A flag that would change nothing is a misunderstanding.
void check_flags_are_used(const CommandLine& line, const ExplainFlags& f, const ExplainRequest& r) {
  std::vector<std::string> asked;
  for (const MethodSpec& m : r.methods) asked.push_back(m.text());
  if (!f.view.show.empty()) find_method(asked, f.view.show);  // before any is computed
  check(
      !f.edits_given || shows_all(line, f), ErrorCode::kUsage,
      "[--edits] expected --details, --json or -o FILE beside it, which show what they say of the methods, found none");
  const bool json = line.json() || std::any_of(f.outputs.begin(), f.outputs.end(),
                                               [](const std::string& o) { return o.ends_with(".json"); });
  check(!f.per_layer || json, ErrorCode::kUsage,
        "[--per-layer] expected --json or -o FILE.json beside it, found neither");
}

// What was edited where edits are shown, else words where there are any; unless told otherwise.
PieceBy shown_by(const ExplainReport& report, const ExplainFlags& f) {
  const MethodReport& shown = report.methods[shown_method(report, f.view.show)];
  if (!f.by.empty()) return parse_piece_by(f.by);
  return shown.effect_of ? parse_piece_by(shown.edited) : readable_pieces(report.tokens);
}

void write(const ExplainReport& report, const ExplainFlags& f, const std::string& path) {
  const size_t shown = shown_method(report, f.view.show);
  const PieceBy by = shown_by(report, f);
  const std::string sentence = explain_sentence(report, report.methods[shown], by);
  if (path.ends_with(".html")) write_file_atomic(real_fs(), path, viewer::html_report(report, shown, by, sentence));
  if (path.ends_with(".json"))
    write_file_atomic(real_fs(), path, to_string(to_json(report, f.per_layer), {.indent = 1}) + "\n");
  if (path.ends_with(".npz")) viewer::write_report_npz(real_fs(), path, report);
  if (path.ends_with(".png")) write_file_atomic(real_fs(), path, viewer::explain_png(report, shown, by));
  note("wrote " + path);
}

}  // namespace

int explain_command(Arguments arguments) {
  CommandLine line(
      "explain",
      "Which words of a text made the model say what comes next: each is taken out, and the text read again.",
      {"explain -p \"The old woman looked at the stranger and shook her\"",
       "explain -p \"The cat sat on the\" --target-token \" mat\" --contrast \" dog\"",
       "explain -p \"He walked up and\" --details",
       "explain -f story.txt --target 120 --method frozen,gradient-x-input -o story.html",
       "explain -m some-model -f long.txt --json -o long.npz"});
  line.add_model();
  line.add_prompt();
  line.add_memory();
  ExplainFlags flags;
  ExplainRequest request;
  add_flags(line.app(), flags, request);
  if (!line.parse(std::move(arguments))) return 0;
  flags.edits_given = line.app().count("--edits") > 0 && request.causal_edits > 0;
  set_methods(line, flags, request);
  check_flags_are_used(line, flags, request);
  for (const std::string& path : flags.outputs) {
    check(known_output(path), ErrorCode::kUsage,
          "[explain] expected an output ending in .html, .json, .npz or .png, found '{}'", path);
    line.check_output(path, {flags.features.file, flags.state_in});
  }

  const Model model = line.load_model();
  SequenceState state;
  if (!flags.state_in.empty()) {
    state = load_state(flags.state_in, model);
    request.state_in = &state;
  }
  read_input(model, line, flags.features, {.begins = state.tokens == 0}, request.tokens, request.features);
  set_target(model, {flags.target_token, flags.contrast, "--target-token", "--contrast"}, request);
  request.mem_limit = line.memory_limit();
  request.progress = line.progress();
  request.on_estimate = [](const ExplainEstimate& e) {
    if (e.seconds > kWorthSaying) note(to_text(e));
  };
  const ExplainReport report = explain_judged(model, request);
  for (const std::string& path : flags.outputs) write(report, flags, path);
  if (line.json()) {
    Out::get().write(to_string(to_json(report, flags.per_layer), {.indent = 1}) + "\n");
    return 0;
  }
  flags.view.style = line.style();
  flags.view.by = shown_by(report, flags);
  Out::get().write(explain_text(report, flags.view));
  if (flags.outputs.empty())
    Out::get().write(fmt::format("next     {}-o page.html for a page to explore\n",
                                 flags.view.details ? "" : "--details for the numbers behind this, "));
  return 0;
}

}  // namespace hindscan::cli
