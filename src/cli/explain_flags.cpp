#include "cli/explain_flags.h"

#include <fmt/format.h>

#include <algorithm>

#include "explain/continuation.h"
#include "explain/target_measure.h"

namespace hindscan::cli {
namespace {

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

// Whether more is shown than one answer in a few lines: then the methods beside it have room, and their checks.
bool shows_all(const CommandLine& line, const ExplainFlags& f) {
  return f.view.details || line.json() || !f.outputs.empty();
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

}  // namespace

void add_flags(CLI::App& app, ExplainFlags& f, ExplainRequest& r) {
  add_feature_input(app, f.features);
  app.add_option("--target", f.targets,
                 "Explain what follows this token, counted from 0; negative: from the end (default: -1). Several with "
                 "commas: one explanation of each")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option(
      "--target-token", f.target_token,
      "Explain this token (of a classifier: the class of this number) instead of the most likely one; several with "
      "| between them count as one answer, \\| is the sign itself");
  app.add_option("--contrast", f.contrast,
                 "Against which token, or several with | between them: auto (the runner-up), none, or a text")
      ->capture_default_str();
  app.add_option("--continuation", f.continuation,
                 "Explain how likely the model goes on with this text, all of it, instead of a single token");
  app.add_option("--generate", f.generate,
                 "Explain what the model itself would go on with, so many tokens of it (the most likely each time)")
      ->check(whole_between(1, 256));
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
  app.add_option(
         "--by", f.by,
         "Take out and show each token, word, sentence or paragraph; scores are summed over it (default: words, where "
         "the text has any)")
      ->check(one_of({"token", "word", "sentence", "paragraph"}));
  app.add_flag("--details", f.view.details,
               "Print the usual methods too, how they add up and agree with edits, layers, time and memory");
  app.add_option("--top", f.view.top, "Words in the table")->check(whole_between(0, 10000))->capture_default_str();
  app.add_option("--edits", r.causal_edits,
                 "Token edits really re-run to check the methods, with --details, --json or -o; 0: none")
      ->check(whole_between(0, 10000))
      ->capture_default_str();
  app.add_option("-s,--seed", r.seed, "What the edits are drawn by")->check(seed_number())->capture_default_str();
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

void set_methods(const CommandLine& line, const ExplainFlags& f, ExplainRequest& r) {
  r.methods = parse_methods(f.methods.empty() ? "usual" : f.methods);
  r.first_only = f.methods.empty() && f.view.show.empty() && !shows_all(line, f);
  for (MethodSpec& m : r.methods) {
    if (!f.by.empty() && m.takes("by")) m.set("by", f.by);
  }
  set_estimator(f, r);
  if (!shows_all(line, f)) r.causal_edits = 0;
  check_flags_are_used(line, f, r);
}

void add_continuation(CommandLine& line, const Model& model, const ExplainFlags& f, ExplainRequest& r) {
  if (f.continuation.empty() && f.generate == 0) return;
  const char* flag = f.generate > 0 ? "--generate" : "--continuation";
  for (const char* other : {"--target", "--target-token", "--contrast", "--hops", "--features"})
    check(line.app().count(other) == 0, ErrorCode::kUsage,
          "[{}] expected no {} beside it, found one; a continuation is a target of its own", flag, other);
  check(f.continuation.empty() || f.generate == 0, ErrorCode::kUsage,
        "[--generate] expected no --continuation beside it, found one; name one of the two");
  check(line.app().count("--measure") == 0 || r.measure == "log-p", ErrorCode::kUsage,
        "[{}] expected the measure log-p beside it, found {}", flag, r.measure);
  if (f.generate > 0)
    set_own_continuation(model, f.generate, r);
  else
    set_continuation(model, f.continuation, r);
}

}  // namespace hindscan::cli
