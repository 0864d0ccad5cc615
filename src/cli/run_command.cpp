// hindscan run: continue a text.
#include <fmt/format.h>
#include <unistd.h>

#include "base/counted.h"
#include "base/formats.h"
#include "base/signals.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/token_text.h"
#include "io/printable.h"
#include "model/generate.h"

namespace hindscan::cli {
namespace {

struct RunFlags {
  GenerateOptions generate;
  std::string state_in, state_out;
  bool greedy = false, no_prompt = false, verbose = false;
};

void add_flags(CLI::App& app, RunFlags& f) {
  GenerateOptions& g = f.generate;
  g.sampling.temperature = 0.8;
  app.add_option("-n,--max-tokens,--predict", g.max_tokens, "Tokens to write; 0: only read (with --state-out)")
      ->check(whole_between(0, int64_t{1} << 40))
      ->capture_default_str();
  app.add_option("--stop", g.stop, "Stop before this text (may be repeated)")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--ignore-end", g.ignore_end, "Go on after the end-of-text token");
  app.add_option("--logprobs", g.top_log_probs, "Alternatives per token, in --json")
      ->check(whole_between(0, 1000))
      ->needs("--json");
  app.add_option("--state-in", f.state_in, "Continue after the text that left this state")->type_name("FILE");
  app.add_option("--state-out", f.state_out, "Write the state after the last token")->type_name("FILE");
  app.add_option("--chunk", g.chunk, "Tokens of the prompt read at a time")
      ->check(whole_between(1, 1 << 20))
      ->capture_default_str();
  app.add_flag("--no-prompt", f.no_prompt, "Print the new text only");
  app.add_flag("-v,--verbose", f.verbose, "Speed on standard error at the end");
  app.option_defaults()->group("Sampling");
  CLI::Option* greedy = app.add_flag("--greedy", f.greedy, "Always the most likely token (the same as --temp 0)");
  app.add_option("--temp,--temperature", g.sampling.temperature, "0: greedy")
      ->excludes(greedy)
      ->check(number_between(0, 1000))
      ->capture_default_str();
  app.add_option("--top-k", g.sampling.top_k, "Keep the k most likely tokens; 0: all")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--top-p", g.sampling.top_p, "Keep the smallest set with this probability; 1: all")
      ->check(number_between(0, 1))
      ->capture_default_str();
  app.add_option("--min-p", g.sampling.min_p, "Drop tokens below this share of the most likely one")
      ->check(number_between(0, 1))
      ->capture_default_str();
  app.add_option("--repeat-penalty", g.sampling.repeat_penalty, "Above 1: avoid tokens already seen")
      ->capture_default_str();
  app.add_option("--presence-penalty", g.sampling.presence_penalty,
                 "Subtracted from the logit of a token already seen");
  app.add_option("--frequency-penalty", g.sampling.frequency_penalty, "Subtracted for every time it was seen");
  app.add_option("--penalty-window", g.sampling.penalty_window, "Tokens the penalties look back; -1: all")
      ->capture_default_str();
  app.add_option("-s,--seed", g.sampling.seed, "The same seed gives the same text")
      ->check(seed_number())
      ->capture_default_str();
}

Json to_json(const Model& model, const Prompt& prompt, const Generated& g) {
  Json tokens = Json::array();
  for (const GeneratedToken& t : g.tokens) {
    Json item = token_json(model, t.id);
    item.set("log_prob", t.log_prob);
    if (!t.top.empty()) {
      Json top = Json::array();
      for (const TokenChoice& c : t.top) top.push(token_json(model, c.id).set("log_prob", c.log_prob));
      item.set("top", std::move(top));
    }
    tokens.push(std::move(item));
  }
  Json out = Json::object();
  out.set("schema", format::kRunJson).set("model", model.path()).set("prompt", prompt.text);
  out.set("prompt_tokens", static_cast<int64_t>(prompt.tokens.size()))
      .set("text", g.text)
      .set("tokens", std::move(tokens));
  out.set("stop", stop_reason_name(g.reason)).set("prefill_seconds", g.prefill_seconds);
  return out.set("decode_seconds", g.decode_seconds);
}

// Text of the model goes to a pipe as it is, to a terminal without anything that could control it.
void show(std::string_view text) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  Out::get().write(terminal ? printable_lines(text) : std::string(text));
  Out::get().flush();
}

std::string speed(const Prompt& prompt, const Generated& g) {
  const auto rate = [](size_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  return fmt::format("read {} at {:.0f} tok/s, wrote {} at {:.1f} tok/s, ended by {}",
                     counted(prompt.tokens.size(), "token"), rate(prompt.tokens.size(), g.prefill_seconds),
                     g.tokens.size(), rate(g.tokens.size(), g.decode_seconds), stop_reason_name(g.reason));
}

// The publisher's way of sampling is said, never taken over: the same command gives the same text for every model.
void say_advice(const CLI::App& app, const Model& model) {
  constexpr std::pair<const char*, const char*> kFlags[] = {{"temperature", "--temp"},
                                                            {"top_k", "--top-k"},
                                                            {"top_p", "--top-p"},
                                                            {"min_p", "--min-p"},
                                                            {"repetition_penalty", "--repeat-penalty"}};
  const GenerationAdvice& advice = model.generation();
  if (app.get_option("--greedy")->count() > 0) return;
  std::string words = advice.greedy ? " --greedy" : "";
  for (const auto& [key, flag] : kFlags) {
    if (app.get_option(flag)->count() > 0) return;
    for (const auto& [name, value] : advice.sampling) {
      if (name == key) words += fmt::format(" {} {}", flag, value);
    }
  }
  if (words.empty()) return;
  note(fmt::format("the model's publisher advises{}; this run keeps to its own defaults: add them to follow", words));
}

}  // namespace

int run_command(Arguments arguments) {
  CommandLine line(
      "run", "Continue a text. The same seed always gives the same text.",
      {"run -p \"Once upon a time\"", "run -p \"Once upon a time\" -n 64 --temp 0.7 --top-p 0.9 --seed 3",
       "run -f book.txt -n 0 --state-out book.state", "run -p \" Then the king\" --state-in book.state --json"});
  line.add_model();
  line.add_prompt();
  RunFlags flags;
  add_flags(line.app(), flags);
  if (!line.parse(std::move(arguments))) return 0;
  line.check_output(flags.state_out);
  if (flags.greedy) flags.generate.sampling.temperature = 0;
  flags.generate.commit_last = !flags.state_out.empty();
  static_cast<void>(Sampler(flags.generate.sampling));  // refuses bad values before the model is loaded

  const Model model = line.load_model();
  require_language_model(model);
  SequenceState state;
  if (!flags.state_in.empty()) state = load_state(flags.state_in, model);
  const Prompt prompt = line.read_prompt(model, {.begins = state.tokens == 0, .ends = flags.state_out.empty()});
  if (flags.generate.max_tokens > 0) say_advice(line.app(), model);
  const bool stream = !line.json() && flags.generate.max_tokens > 0;
  if (stream && !flags.no_prompt) show(prompt.text);

  Generated result;
  {
    ProgressTask progress(line.progress(), "reading", "tok", prompt.tokens.size());
    result = generate(
        model, prompt.tokens, state, flags.generate,
        [&](std::string_view text) {
          if (stream) show(text);
        },
        [&](int64_t read) { progress.set(static_cast<uint64_t>(read)); });
  }
  if (stream && !model.has_tokenizer()) {
    for (const GeneratedToken& t : result.tokens) Out::get().print("{}{}", &t == result.tokens.data() ? "" : ",", t.id);
  }
  if (stream) Out::get().write("\n");
  if (line.json()) Out::get().write(to_string(to_json(model, prompt, result), {.indent = 2}) + "\n");
  Out::get().flush();  // the text ends before anything is said about it
  if (flags.verbose && log_format() == LogFormat::kJson) log_line("info", speed(prompt, result));
  if (flags.verbose && log_format() == LogFormat::kText) write_error(speed(prompt, result) + "\n");
  if (result.reason != StopReason::kInterrupted && !flags.state_out.empty())
    save_state(real_fs(), flags.state_out, state, model);
  if (result.reason == StopReason::kInterrupted) {
    Out::get().flush();
    throw_if_stopped();
  }
  return 0;
}

}  // namespace hindscan::cli
