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

// What stands between the "|" that no backslash stands before.
static std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out{""};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\\|") == 0)
      out.back() += text[++i];
    else if (text[i] == '|')
      out.emplace_back();
    else
      out.back() += text[i];
  }
  return out;
}

// None too where the vocabulary has no "|" at all.
static std::optional<int32_t> whole_token(const Model& model, const std::string& text) {
  try {
    UnknownText unknown;
    const std::vector<int32_t> ids = encode_text(model, text, kInsideText, &unknown);
    if (ids.size() == 1 && unknown.count == 0) return ids[0];
  } catch (const Error&) {
  }
  return std::nullopt;
}

// The first, and the others into `also`.
static int32_t tokens_of(const Model& model, const std::string& text, const char* flag, std::vector<int32_t>& also) {
  const bool texts = model.arch().sizes().labels == 0 && model.has_tokenizer();
  if (texts && text.find('|') != std::string::npos) {
    if (const std::optional<int32_t> whole = whole_token(model, text)) return *whole;
  }
  const std::vector<std::string> parts = parts_of(text);
  for (size_t i = 1; i < parts.size(); ++i) also.push_back(single_token(model, parts[i], flag));
  return single_token(model, parts[0], flag);
}

void set_target(const Model& model, const TargetText& text, ExplainRequest& request) {
  if (!text.target.empty()) request.target_id = tokens_of(model, text.target, text.target_flag, request.target_also);
  if (text.contrast == "auto") return;
  request.contrast = text.contrast == "none" ? Contrast::kNone : Contrast::kId;
  if (request.contrast == Contrast::kId)
    request.contrast_id = tokens_of(model, text.contrast, text.contrast_flag, request.contrast_also);
}

}  // namespace hindscan
