#include "explain/continuation.h"

#include "model/encode_text.h"
#include "model/generate.h"

namespace hindscan {

static void put_behind(const std::vector<int32_t>& tokens, ExplainRequest& request) {
  request.tokens.insert(request.tokens.end(), tokens.begin(), tokens.end());
  request.answer = std::ssize(tokens);
  request.measure = "log-p";
}

void set_continuation(const Model& model, std::string_view text, ExplainRequest& request) {
  const std::vector<int32_t> tokens = encode_text(model, text, kInsideText);
  check(!tokens.empty(), ErrorCode::kUsage, "[continuation] expected some text, found none");
  put_behind(tokens, request);
}

void set_own_continuation(const Model& model, int64_t tokens, ExplainRequest& request) {
  check(tokens >= 1, ErrorCode::kUsage, "[continuation] expected at least one token, found {}", tokens);
  check(model.arch().sizes().labels == 0 && model.arch().sizes().feature_dim == 0, ErrorCode::kUsage,
        "[continuation] expected a model that writes, found one that judges or reads vectors; name no continuation");
  SequenceState state = request.state_in == nullptr ? model.initial_state() : *request.state_in;
  GenerateOptions options;
  options.max_tokens = tokens;
  options.sampling.temperature = 0;
  std::vector<int32_t> own;
  for (const GeneratedToken& t : generate(model, request.tokens, state, options).tokens) own.push_back(t.id);
  check(!own.empty(), ErrorCode::kUsage,
        "[continuation] expected the model to go on with this text, found that it ends it; name a continuation");
  put_behind(own, request);
}

}  // namespace hindscan
