#include "explain/target_text.h"

#include <charconv>

#include "model/encode_text.h"

namespace hindscan {

static int32_t single_token(const Model& model, const std::string& text, const char* flag) {
  if (model.arch().sizes().labels > 0 || !model.has_tokenizer()) {  // the number of a class, or of a token
    int32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    check(error == std::errc() && end == text.data() + text.size(), ErrorCode::kUsage,
          "[{}] expected one number, found '{}'", flag, text);
    return id;
  }
  check(!text.empty(), ErrorCode::kUsage, "[{}] expected the text of one token, found an empty one", flag);
  const std::vector<int32_t> ids = encode_text(model, text, kInsideText);
  if (ids.size() == 1) return ids[0];
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const int32_t id : ids) pieces.push_back("'" + std::string(model.tokenizer().token_bytes(id)) + "'");
  fail(ErrorCode::kUsage,
       "[{}] expected the text of one token, found '{}', which is {} ({}); words usually begin with a space", flag,
       text, ids.empty() ? "none" : fmt::format("{} tokens", ids.size()), fmt::join(pieces, " "));
}

void set_target(const Model& model, const TargetText& text, ExplainRequest& request) {
  if (!text.target.empty()) request.target_id = single_token(model, text.target, text.target_flag);
  if (text.contrast == "auto") return;
  request.contrast = text.contrast == "none" ? Contrast::kNone : Contrast::kId;
  if (request.contrast == Contrast::kId) request.contrast_id = single_token(model, text.contrast, text.contrast_flag);
}

}  // namespace hindscan
