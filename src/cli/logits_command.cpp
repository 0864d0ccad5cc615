// hindscan logits: of every position as .npy, of the last one as text.
#include <fmt/format.h>

#include "base/formats.h"
#include "base/signals.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/token_text.h"
#include "explain/pass_probe.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/printable.h"
#include "model/pass_cost.h"

namespace hindscan::cli {
namespace {

constexpr int64_t kRunChunk = 512;

Json json_of(std::span<const float> last) {
  Json out = Json::array();
  for (const float v : last) out.push(v);
  return out;
}

// "id logit text", one token a line; a model without a tokenizer has no texts.
void print(const Model& model, std::span<const float> last) {
  const auto named = static_cast<size_t>(model.has_tokenizer() ? model.tokenizer().vocab_size() : 0);
  std::string text;
  for (size_t id = 0; id < last.size(); ++id) {
    text += fmt::format("{} {:.9g}", id, last[id]);
    if (id < named) text += " \"" + printable(token_bytes(model, static_cast<int32_t>(id))).text + "\"";
    text += '\n';
  }
  Out::get().write(text);
}

// Beside the model and the text: the numbers that are kept, a pass over a chunk, a block of rows, and the state before
// the chunk and after it, to which attention adds its keys and values lined up.
int64_t bytes_of(const Model& model, std::span<const int32_t> tokens, const SequenceState& state, int64_t rows_kept) {
  WalkPlan plan;
  plan.tokens = tokens;
  const PassProbe probe = probe_pass(model, plan);
  const PassCost pass = running_cost(model, tokens);
  const int64_t T = std::ssize(tokens), end = state.tokens + T, chunk = std::min(T, kRunChunk);
  return rows_kept * model.arch().head().rows() * static_cast<int64_t>(sizeof(float)) + pass.of(chunk) +
         logit_row_bytes(model, chunk) + 2 * probe.state_bytes(end) + 3 * probe.cached() * end;
}

}  // namespace

int logits_command(Arguments arguments) {
  CommandLine line("logits",
                   "Logits of every position as a NumPy file, float32 [tokens, vocabulary]; without -o those of the "
                   "last position, one token a line: its id, its logit, its text.",
                   {"logits -p \"The cat sat\" -o logits.npy", "logits -m some-model --tokens 5,17,3"});
  line.add_model();
  line.add_prompt();
  line.add_memory();
  std::string output, state_in;
  line.app().add_option("-o,--output", output, "File to write, .npy")->type_name("FILE");
  line.app().add_option("--state-in", state_in, "Continue after the text that left this state")->type_name("FILE");
  if (!line.parse(std::move(arguments))) return 0;
  check(output.empty() || output.ends_with(".npy"), ErrorCode::kUsage,
        "[logits] expected an output file ending in .npy, found '{}'", output);
  line.check_output(output, {state_in});

  const Model model = line.load_model();
  require_language_model(model);
  SequenceState state;
  if (!state_in.empty()) state = load_state(state_in, model);
  const Prompt prompt = line.read_prompt(model, {.begins = state.tokens == 0});
  const uint64_t T = prompt.tokens.size(), V = static_cast<uint64_t>(model.arch().head().rows());
  check(T > 0, ErrorCode::kData, "[logits] expected at least one token, found none; give a longer text");
  const uint64_t rows_kept = output.empty() ? 1 : T;
  const int64_t bytes = bytes_of(model, prompt.tokens, state, static_cast<int64_t>(rows_kept));
  const int64_t limit = line.memory_limit();
  check(bytes <= limit, ErrorCode::kResource,
        "[logits] {} x {} numbers and the pass over the text need {} MiB, {} MiB may be used; use a shorter text, or "
        "'hindscan score' for log-probabilities of the text itself",
        rows_kept, V, (bytes >> 20) + 1, limit >> 20);
  std::vector<float> values(rows_kept * V);  // [T or 1, vocab]
  ProgressTask progress(line.progress(), "logits", "tok", T);
  Runner runner(model, kRunChunk);
  runner.logits(prompt.tokens, state, [&](int64_t first, int64_t count, const float* rows) {
    if (output.empty()) {
      std::copy_n(rows + static_cast<uint64_t>(count - 1) * V, V, values.data());
    } else {
      std::copy_n(rows, static_cast<uint64_t>(count) * V, values.data() + static_cast<uint64_t>(first) * V);
    }
    progress.set(static_cast<uint64_t>(first + count));
    throw_if_stopped();
  });
  if (!output.empty()) write_npy(real_fs(), output, npy_array("logits", {T, V}, values));
  if (line.json()) {
    Json out = Json::object();
    out.set("schema", format::kLogitsJson)
        .set("model", model.path())
        .set("output", output.empty() ? Json() : Json(output))
        .set("rows", rows_kept)
        .set("columns", V);
    if (output.empty()) out.set("last", json_of(values));
    Out::get().write(to_string(out, {.indent = 2}) + "\n");
  } else if (output.empty()) {
    print(model, values);
  } else {
    note(fmt::format("wrote {} [{}, {}]", output, T, V));
  }
  return 0;
}

}  // namespace hindscan::cli
