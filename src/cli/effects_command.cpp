// hindscan effects: what every word of a text loses without each word before it.
#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/effects_output.h"
#include "cli/streams.h"
#include "viewer/effects_files.h"

namespace hindscan::cli {
namespace {

struct EffectsFlags {
  std::string by, state_in;
  std::vector<std::string> outputs;
  int64_t top = 5;
};

void add_flags(CLI::App& app, EffectsFlags& f, EffectsRequest& r) {
  app.add_option("--by", f.by,
                 "Take out and ask for each token, word or sentence; of several tokens the log-probabilities add up "
                 "(default: words, where the text has any)")
      ->check(one_of({"token", "word", "sentence"}));
  app.add_option("--top", f.top, "Entries in the table")->check(whole_between(0, 10000))->capture_default_str();
  app.add_option("--max-tokens", r.max_tokens,
                 "Longer texts are refused, with what they would take: it grows with the square of the tokens")
      ->check(at_least(1))
      ->capture_default_str();
  app.add_option("--state-in", f.state_in, "What came before: a state file of 'run --state-out'")->type_name("FILE");
  app.add_option("-o,--output", f.outputs, "out.png, out.json or out.npz (may be repeated)")
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void write(const PositionEffects& effects, const std::string& path) {
  if (path.ends_with(".png")) write_file_atomic(real_fs(), path, viewer::effects_png(effects));
  if (path.ends_with(".json")) write_file_atomic(real_fs(), path, to_string(to_json(effects), {.indent = 1}) + "\n");
  if (path.ends_with(".npz")) viewer::write_effects_npz(real_fs(), path, effects);
  note("wrote " + path);
}

}  // namespace

int effects_command(Arguments arguments) {
  CommandLine line("effects",
                   "What every word of a short text loses without each word before it, all of it really run: a matrix "
                   "of how much less likely a word becomes, in nats, when another is taken out. Later words keep their "
                   "positions, so that a gap is left.",
                   {"effects -p \"The old woman looked at the stranger and shook her\"",
                    "effects -p \"The old woman looked at the stranger and shook her\" -o effects.png",
                    "effects -f story.txt --by sentence", "effects -p \"The cat sat on the mat\" --by token --json",
                    "effects -m some-model -f page.txt -o effects.npz -o effects.json"});
  line.add_model();
  line.add_prompt();
  line.add_memory();
  EffectsFlags flags;
  EffectsRequest request;
  add_flags(line.app(), flags, request);
  if (!line.parse(std::move(arguments))) return 0;
  for (const std::string& path : flags.outputs) {
    check(path.ends_with(".png") || path.ends_with(".json") || path.ends_with(".npz"), ErrorCode::kUsage,
          "[effects] expected an output ending in .png, .json or .npz, found '{}'", path);
    line.check_output(path, {flags.state_in});
  }

  const Model model = line.load_model();
  SequenceState state;
  if (!flags.state_in.empty()) {
    state = load_state(flags.state_in, model);
    request.state_in = &state;
  }
  if (model.arch().sizes().feature_dim == 0)
    request.tokens = line.read_prompt(model, {.begins = state.tokens == 0}).tokens;
  if (!flags.by.empty()) request.by = parse_piece_by(flags.by);
  request.mem_limit = line.memory_limit();
  request.progress = line.progress();
  request.on_estimate = [](const EffectsEstimate& e) {
    if (e.seconds > kWorthSaying) note(to_text(e));
  };
  const PositionEffects effects = position_effects(model, request);
  for (const std::string& path : flags.outputs) write(effects, path);
  if (line.json()) {
    Out::get().write(to_string(to_json(effects), {.indent = 1}) + "\n");
    return 0;
  }
  Out::get().write(effects_text(effects, line.style(), flags.top));
  if (flags.outputs.empty()) Out::get().write("next     -o effects.png for a picture, --json for the numbers\n");
  return 0;
}

}  // namespace hindscan::cli
