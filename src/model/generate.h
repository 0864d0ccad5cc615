// Continues a prompt token by token.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "model/sampler.h"

namespace hindscan {

struct GenerateOptions {
  int64_t max_tokens = 128;  // 0: only read the prompt
  SamplerOptions sampling;
  std::vector<std::string> stop;
  bool ignore_end = false;             // go on after the end-of-text token
  int64_t top_log_probs = 0;           // alternatives kept per token
  bool commit_last = false;            // the state also consumes the last token, so that a later run continues after it
  int64_t chunk = 512;                 // prefill
  std::span<const float> logits = {};  // [vocab] that the state left, where there is no prompt
  std::span<const int32_t> seen = {};  // before the prompt: what the penalties look back on
};

struct TokenChoice {
  int32_t id;
  double log_prob;  // under the model, before penalties and temperature
};

struct GeneratedToken : TokenChoice {
  std::vector<TokenChoice> top;  // most probable first
};

enum class StopReason { kLength, kStopString, kEndOfText, kInterrupted };
const char* stop_reason_name(StopReason reason);

struct Generated {
  std::vector<GeneratedToken> tokens;
  std::string text;  // what was streamed
  StopReason reason = StopReason::kLength;
  double prefill_seconds = 0, decode_seconds = 0;
  std::vector<float> logits;  // [vocab] with commit_last: of what follows; empty when a stop came before any
};

using TextCallback = std::function<void(std::string_view text)>;  // text that is final
using PrefillCallback = std::function<void(int64_t read)>;        // tokens of the prompt read so far

// The tokens that end a text, by the publisher's configuration or else the tokenizer.
std::vector<int32_t> end_of_text_ids(const Model& model);

// Advances state over the prompt and the new tokens. Error(kUsage) for neither a prompt nor logits. Stops early, with
// what there is, when stop_requested(). A model without a tokenizer gives tokens and no text.
Generated generate(const Model& model, std::span<const int32_t> prompt, SequenceState& state,
                   const GenerateOptions& options, const TextCallback& on_text = {},
                   const PrefillCallback& on_prefill = {});

}  // namespace hindscan
