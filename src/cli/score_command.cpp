// hindscan score: how well the model predicts a text.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "base/formats.h"
#include "base/interval.h"
#include "base/signals.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/measured.h"
#include "cli/streams.h"
#include "cli/token_text.h"
#include "io/interval_json.h"
#include "io/printable.h"

namespace hindscan::cli {
namespace {

struct ScoreFlags {
  bool log_probs = false;
  std::string state_in, state_out;
  int64_t chunk = 512;
};

// Of the scored tokens: the first has nothing before it.
struct Totals {
  RunningMean nll;  // negative log-probabilities, nats; errors as if tokens were independent
  int64_t bytes = 0;
  // Bits per byte for a mean of so many nats per token.
  double bits_per_byte(double nats) const {
    if (bytes == 0) return NAN;
    return nats * static_cast<double>(nll.count()) / std::numbers::ln2 / static_cast<double>(bytes);
  }
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
      totals.nll.add(-log_probs[t]);
      const bool has_text =
          model.has_tokenizer() && id < model.tokenizer().vocab_size();  // a padded vocabulary is larger
      totals.bytes += has_text ? static_cast<int64_t>(model.tokenizer().token_bytes(id).size()) : 0;
    }
  };
  Runner runner(model, flags.chunk);
  runner.on_chunk = [&](int64_t done) {
    throw_if_stopped();
    take(std::min(done + 1, T));
    progress.set(static_cast<uint64_t>(done),
                 totals.nll.count() > 0 ? fmt::format("ppl {:.2f}", std::exp(totals.nll.mean())) : "");
  };
  runner.score(prompt.tokens, state, log_probs);
  return totals;
}

double exponential(double x) { return std::exp(x); }

std::optional<Interval> mapped(const std::optional<Interval>& v, const std::function<double(double)>& f) {
  return v ? std::optional(Interval{f(v->low), f(v->high)}) : std::nullopt;
}

Json summary(const Model& model, const Totals& t, int64_t tokens) {
  const std::optional<double> error = t.nll.standard_error();
  const std::optional<Interval> nll = t.nll.interval();
  const auto bits = [&](double nats) { return t.bits_per_byte(nats); };
  Json out = Json::object();
  out.set("schema", format::kScoreJson).set("model", model.path()).set("count", tokens).set("scored", t.nll.count());
  out.set("bytes", t.bytes).set("nll", t.nll.mean()).set("nll_standard_error", error);
  out.set("nll_interval", interval_json(nll)).set("perplexity", std::exp(t.nll.mean()));
  out.set("perplexity_interval", interval_json(mapped(nll, exponential)));
  return out.set("bits_per_byte", bits(t.nll.mean())).set("bits_per_byte_interval", interval_json(mapped(nll, bits)));
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
  const double nll = t.nll.mean();
  const auto bits = [&](double nats) { return t.bits_per_byte(nats); };
  out.print("tokens {}   nll {:.4f}{}   ppl {:.2f}{}", tokens, nll, interval_text(t.nll.interval(), 4), std::exp(nll),
            interval_text(mapped(t.nll.interval(), exponential), 2));
  if (t.bytes > 0)
    out.print("   bits/byte {:.4f}{}", t.bits_per_byte(nll), interval_text(mapped(t.nll.interval(), bits), 4));
  out.print(
      "   {}; state carried over the whole text (no window)\n",
      t.nll.interval() ? "95 % intervals as if tokens were independent" : "one token scored, so no error is known");
}

}  // namespace

int score_command(Arguments arguments) {
  CommandLine line(
      "score", "Perplexity and bits per byte with their 95 % intervals, and log-probabilities of a text of any length.",
      {"score -f book.txt", "score -p \"The little girl said hello.\" --logprobs", "score -f book.txt --json",
       "score -m some-model --tokens 5,17,3"});
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
      ->check(whole_between(1, 1 << 20))
      ->capture_default_str();
  if (!line.parse(std::move(arguments))) return 0;
  line.check_output(flags.state_out);

  const Model model = line.load_model();
  require_language_model(model);
  SequenceState state;
  if (!flags.state_in.empty()) state = load_state(flags.state_in, model);
  const Prompt prompt = line.read_prompt(model, {.begins = state.tokens == 0, .ends = flags.state_out.empty()});
  check(prompt.tokens.size() >= 2, ErrorCode::kUsage,
        "[score] expected at least two tokens, found {}; the first one has nothing before it", prompt.tokens.size());
  const Totals totals = score(model, prompt, flags, state, line);
  if (!flags.state_out.empty()) save_state(real_fs(), flags.state_out, state, model);
  print_summary(model, totals, static_cast<int64_t>(prompt.tokens.size()), flags, line.json());
  return 0;
}

}  // namespace hindscan::cli
