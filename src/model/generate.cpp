#include "model/generate.h"

#include <algorithm>
#include <chrono>

#include "base/order.h"
#include "base/signals.h"
#include "model/text_stream.h"

namespace hindscan {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<TokenChoice> most_probable(std::span<const float> logits, double normaliser, int64_t count) {
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto n = static_cast<std::ptrdiff_t>(std::min<size_t>(static_cast<size_t>(count), ids.size()));
  std::partial_sort(ids.begin(), ids.begin() + n, ids.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return descending(x, y) || (!descending(y, x) && a < b);
  });
  std::vector<TokenChoice> out;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    out.push_back({id, static_cast<double>(logits[static_cast<size_t>(id)]) - normaliser});
  }
  return out;
}

GeneratedToken describe(int32_t id, std::span<const float> logits, int64_t top) {
  const double normaliser = log_sum_exp(logits);
  GeneratedToken out;
  out.id = id;
  out.log_prob = static_cast<double>(logits[static_cast<size_t>(id)]) - normaliser;
  if (top > 0) out.top = most_probable(logits, normaliser, top);
  return out;
}

struct StopGeneration {};

// The prompt's last logits, or nothing when a signal came.
std::span<const float> prefill(Runner& runner, std::span<const int32_t> prompt, SequenceState& state,
                               const PrefillCallback& on_prefill) {
  runner.on_chunk = [&](int64_t done) {
    if (on_prefill) on_prefill(done);
    if (stop_requested()) throw StopGeneration{};
  };
  std::span<const float> logits;
  try {
    logits = runner.step(prompt, state);
  } catch (const StopGeneration&) {
  }
  runner.on_chunk = {};
  return logits;
}

}  // namespace

const char* stop_reason_name(StopReason reason) {
  constexpr const char* names[] = {"length", "stop", "end-of-text", "interrupted"};
  return names[static_cast<int>(reason)];
}

std::vector<int32_t> end_of_text_ids(const Model& model) {
  if (!model.generation().end_ids.empty() || !model.has_tokenizer()) return model.generation().end_ids;
  const int32_t id = model.tokenizer().eos_id();
  return id < 0 ? std::vector<int32_t>{} : std::vector{id};
}

Generated generate(const Model& model, std::span<const int32_t> prompt, SequenceState& state,
                   const GenerateOptions& options, const TextCallback& on_text, const PrefillCallback& on_prefill) {
  Generated out;
  Sampler sampler(options.sampling);
  TextStream stream(options.stop);
  Runner runner(model, options.chunk);
  const std::vector<int32_t> ends = options.ignore_end ? std::vector<int32_t>{} : end_of_text_ids(model);
  const auto emit = [&](const std::string& text) {
    if (text.empty()) return;
    out.text += text;
    if (on_text) on_text(text);
  };

  const auto start = Clock::now();
  const bool goes_on = prompt.empty() && !options.logits.empty();
  std::span<const float> logits = goes_on ? options.logits : prefill(runner, prompt, state, on_prefill);
  out.prefill_seconds = seconds_since(start);
  for (const int32_t id : options.seen) sampler.accept(id);
  for (const int32_t id : prompt) sampler.accept(id);
  const auto decoding = Clock::now();
  if (logits.empty()) out.reason = StopReason::kInterrupted;
  while (!logits.empty() && static_cast<int64_t>(out.tokens.size()) < options.max_tokens) {
    const int32_t id = sampler.sample(logits);
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) {
      out.reason = StopReason::kEndOfText;
      break;
    }
    out.tokens.push_back(describe(id, logits, options.top_log_probs));
    sampler.accept(id);
    const bool has_text =
        model.has_tokenizer() && id < model.tokenizer().vocab_size();  // the rest of a padded vocabulary has none
    if (has_text) emit(stream.push(model.tokenizer().token_bytes(id)));
    if (stream.stopped()) out.reason = StopReason::kStopString;
    if (stop_requested()) out.reason = StopReason::kInterrupted;
    const bool last =
        out.reason != StopReason::kLength || static_cast<int64_t>(out.tokens.size()) == options.max_tokens;
    if (!last || options.commit_last) logits = runner.step({&id, 1}, state);
    if (last) break;
  }
  if (options.commit_last) out.logits.assign(logits.begin(), logits.end());
  emit(stream.finish());
  out.decode_seconds = seconds_since(decoding);
  return out;
}

}  // namespace hindscan
