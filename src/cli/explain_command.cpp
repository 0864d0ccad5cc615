// hindscan explain: which earlier tokens a prediction came from.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/explain_flags.h"
#include "cli/explain_notes.h"
#include "cli/streams.h"
#include "eval/explain_judged.h"
#include "explain/sentence.h"
#include "explain/target_text.h"
#include "viewer/explain_picture.h"
#include "viewer/html.h"
#include "viewer/npz.h"

namespace hindscan::cli {
namespace {

bool known_output(const std::string& path) {
  for (const char* ending : {".html", ".json", ".npz", ".png"}) {
    if (path.ends_with(ending)) return true;
  }
  return false;
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

// The path of one of several explanations: "out.html" is "out-2.html" for the second.
std::string numbered(const std::string& path, size_t number, size_t of) {
  if (of == 1) return path;
  const size_t dot = path.rfind('.');
  return fmt::format("{}-{}{}", path.substr(0, dot), number, path.substr(dot));
}

// One explanation of each target; shown when all of them are known, so that an error leaves nothing behind.
void explain_each(const Model& model, ExplainRequest request, ExplainFlags& flags, const CommandLine& line) {
  std::vector<ExplainReport> reports;
  for (const int64_t target : flags.targets) {
    request.target = target;
    reports.push_back(explain_judged(model, request));
  }
  Json documents = Json::array();
  std::string text;
  flags.view.style = line.style();
  for (size_t i = 0; i < reports.size(); ++i) {
    for (const std::string& path : flags.outputs) write(reports[i], flags, numbered(path, i + 1, reports.size()));
    flags.view.by = shown_by(reports[i], flags);
    if (line.json())
      documents.push(to_json(reports[i], flags.per_layer));
    else
      text += (i > 0 ? "\n" : "") + explain_text(reports[i], flags.view);
  }
  if (line.json())
    text = to_string(reports.size() == 1 ? documents.items().front() : documents, {.indent = 1}) + "\n";
  else if (flags.outputs.empty())
    text += paragraph("next   ",
                      fmt::format("{}-o page.html for a page to explore",
                                  flags.view.details ? "" : "--details for the numbers behind this, "),
                      flags.view.style.is_narrow() ? static_cast<size_t>(flags.view.style.columns) : kTableColumns);
  Out::get().write(text);
}

}  // namespace

int explain_command(Arguments arguments) {
  CommandLine line(
      "explain",
      "Which words of a text made the model say what comes next: each is taken out, and the text read again.",
      {"explain -p \"The old woman looked at the stranger and shook her\"",
       "explain -p \"The cat sat on the\" --target-token \" mat\" --contrast \" dog\"",
       "explain -p \"He walked up and\" --details",
       "explain -p \"The old woman looked at the stranger and\" --continuation \" shook her head\"",
       "explain -p \"The cat sat on the mat and the dog\" --target 3,5",
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
  if (flags.targets.empty()) flags.targets = {-1};
  for (const std::string& path : flags.outputs) {
    check(known_output(path), ErrorCode::kUsage,
          "[explain] expected an output ending in .html, .json, .npz or .png, found '{}'", path);
    for (size_t i = 0; i < flags.targets.size(); ++i)
      line.check_output(numbered(path, i + 1, flags.targets.size()), {flags.features.file, flags.state_in});
  }

  const Model model = line.load_model();
  SequenceState state;
  if (!flags.state_in.empty()) {
    state = load_state(flags.state_in, model);
    request.state_in = &state;
  }
  read_input(model, line, flags.features, {.begins = state.tokens == 0}, request.tokens, request.features);
  check(flags.by.empty() || request.features.empty(), ErrorCode::kUsage,
        "[--by] expected none, found {}: vectors are shown one by one", flags.by);
  add_continuation(line, model, flags, request);
  set_target(model, {flags.target_token, flags.contrast, "--target-token", "--contrast"}, request);
  request.mem_limit = line.memory_limit();
  request.progress = line.progress();
  request.on_estimate = [](const ExplainEstimate& e) {
    if (e.seconds > kWorthSaying) note(to_text(e));
  };
  explain_each(model, std::move(request), flags, line);
  return 0;
}

}  // namespace hindscan::cli
