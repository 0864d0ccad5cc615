// hindscan score: how well the model predicts a text.
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "base/formats.h"
#include "base/signals.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/token_text.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

struct ScoreFlags {
  bool log_probs = false;
  std::string state_in, state_out;
  int64_t chunk = 512;
};

struct Totals {
  int64_t tokens = 0, bytes = 0;  // scored: the first token has nothing before it
  double sum = 0, squares = 0;    // of the negative log-probabilities, nats
  double mean() const { return sum / static_cast<double>(tokens); }
  // Of the mean, as if tokens were independent.
  double standard_error() const {
    if (tokens < 2) return NAN;
    const double n = static_cast<double>(tokens), m = mean();
    return std::sqrt(std::max(0.0, (squares - n * m * m) / (n - 1)) / n);
  }
  double bits_per_byte() const { return bytes > 0 ? sum / std::numbers::ln2 / static_cast<double>(bytes) : NAN; }
};

// Prints tokens while the text is read, so that memory does not grow with what is printed.
class TokenPrinter {
 public:
  TokenPrinter(const Model& model, bool on, bool json) : model_(model), on_(on), json_(json) {
    if (!on_) return;
    if (json_)
      Out::get().print("{{\"schema\":\"{}\",\"tokens\":[", format::kScoreJson);
    else
      Out::get().write("position\tid\tlog_prob\ttoken\n");
  }
  void add(int64_t t, int32_t id, double log_prob) {
    if (!on_) return;
    if (json_) {
      Json item = token_json(model_, id);
      item.set("log_prob", log_prob);
      Out::get().print("{}\n{}", t > 0 ? "," : "", to_string(item));
    } else {
      Out::get().print("{}\t{}\t{}\t{}\n", t, id, std::isnan(log_prob) ? "-" : fmt::format("{:.6f}", log_prob),
                       printable(token_bytes(model_, id)).text);
    }
  }

 private:
  const Model& model_;
  bool on_, json_;
};

Totals score(const Model& model, const Prompt& prompt, const ScoreFlags& flags, SequenceState& state,
             CommandLine& line) {
  const int64_t T = static_cast<int64_t>(prompt.tokens.size());
  std::vector<double> log_probs(prompt.tokens.size());  // [T]
  TokenPrinter printer(model, flags.log_probs, line.json());
  Totals totals;
  ProgressTask progress(line.progress(), "scoring", "tok", static_cast<uint64_t>(T));
  int64_t taken = 0;
  const auto take = [&](int64_t end) {
    for (; taken < end; ++taken) {
      const auto t = static_cast<size_t>(taken);
      const int32_t id = prompt.tokens[t];
      printer.add(taken, id, log_probs[t]);
      if (t == 0) continue;
      check(
          std::isfinite(log_probs[t]), ErrorCode::kData,
          "[score] the log-probability of token {} is {}: the model's weights are damaged; try 'hindscan info --check'",
          taken, log_probs[t]);
      totals.tokens += 1;
      const bool has_text =
          model.has_tokenizer() && id < model.tokenizer().vocab_size();  // a padded vocabulary is larger
      totals.bytes += has_text ? static_cast<int64_t>(model.tokenizer().token_bytes(id).size()) : 0;
      totals.sum -= log_probs[t];
      totals.squares += log_probs[t] * log_probs[t];
    }
  };
  Runner runner(model, flags.chunk);
  runner.on_chunk = [&](int64_t done) {
    throw_if_stopped();
    take(std::min(done + 1, T));
    progress.set(static_cast<uint64_t>(done),
                 totals.tokens > 0 ? fmt::format("ppl {:.2f}", std::exp(totals.mean())) : "");
  };
  runner.score(prompt.tokens, state, log_probs);
  return totals;
}

Json summary(const Model& model, const Totals& t, int64_t tokens) {
  Json out = Json::object();
  out.set("schema", format::kScoreJson).set("model", model.path()).set("count", tokens).set("scored", t.tokens);
  out.set("bytes", t.bytes).set("nll", t.mean()).set("nll_standard_error", t.standard_error());
  return out.set("perplexity", std::exp(t.mean())).set("bits_per_byte", t.bits_per_byte());
}

void print_summary(const Model& model, const Totals& t, int64_t tokens, const ScoreFlags& flags, bool json) {
  Out& out = Out::get();
  const Json all = summary(model, t, tokens);
  if (json && flags.log_probs) {  // the document was begun by TokenPrinter
    out.write("\n]");
    for (const JsonMember& m : all.members()) {
      if (m.key == "schema") continue;
      std::string key;
      append_json_string(key, m.key);
      out.print(",{}:{}", key, to_string(m.value));
    }
    out.write("}\n");
    return;
  }
  if (json) {
    out.write(to_string(all, {.indent = 2}) + "\n");
    return;
  }
  const char* state = "state carried over the whole text (no window)";
  if (t.tokens < 2)
    return out.print(
        "tokens {}   nll {:.4f}   ppl {:.2f}   bits/byte {:.4f}   one token scored, so no error is known; {}\n", tokens,
        t.mean(), std::exp(t.mean()), t.bits_per_byte(), state);
  out.print("tokens {}   nll {:.4f} +- {:.4f}   ppl {:.2f} +- {:.2f}   bits/byte {:.4f}   {}\n", tokens, t.mean(),
            t.standard_error(), std::exp(t.mean()), std::exp(t.mean()) * t.standard_error(), t.bits_per_byte(), state);
}

}  // namespace

int score_command(Arguments arguments) {
  CommandLine line("score",
                   "Perplexity with its standard error, bits per byte and log-probabilities of a text of any length.",
                   {"score -f book.txt", "score -p \"The little girl said hello.\" --logprobs",
                    "score -f book.txt --json", "score -m some-model --tokens 5,17,3"});
  line.add_model();
  line.add_prompt(false);
  ScoreFlags flags;
  line.app().add_flag("--logprobs", flags.log_probs,
                      "Every token with its log-probability (nats); in --json as \"tokens\"");
  line.app()
      .add_option("--state-in", flags.state_in, "Continue after the text that left this state")
      ->type_name("FILE");
  line.app().add_option("--state-out", flags.state_out, "Write the state after the text")->type_name("FILE");
  line.app()
      .add_option("--chunk", flags.chunk, "Tokens in memory at a time")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  if (!line.parse(std::move(arguments))) return 0;

  const Model model = line.load_model();
  const Prompt prompt = line.read_prompt(model, {.begins = flags.state_in.empty(), .ends = flags.state_out.empty()});
  check(prompt.tokens.size() >= 2, ErrorCode::kUsage,
        "[score] expected at least two tokens, found {}; the first one has nothing before it", prompt.tokens.size());
  SequenceState state;
  if (!flags.state_in.empty()) state = load_state(flags.state_in, model);
  const Totals totals = score(model, prompt, flags, state, line);
  if (!flags.state_out.empty()) save_state(real_fs(), flags.state_out, state, model);
  print_summary(model, totals, static_cast<int64_t>(prompt.tokens.size()), flags, line.json());
  return 0;
}

}  // namespace hindscan::cli
