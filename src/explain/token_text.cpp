#include "explain/token_text.h"

#include "base/utf8.h"

namespace hindscan {

TokenReport token_report(const Model& model, int32_t id) {
  TokenReport token;
  token.id = id;
  if (!model.has_tokenizer() || id >= model.tokenizer().vocab_size()) return token;  // a padded vocabulary has no texts
  const std::string bytes(model.tokenizer().token_bytes(id));
  token.text = replace_invalid_utf8(bytes);
  if (!valid_utf8(bytes)) token.bytes = bytes;
  return token;
}

void describe_tokens(const Model& model, std::span<const int32_t> tokens, ExplainReport& report) {
  report.model = model.path();
  report.tokens.clear();
  for (int32_t id : tokens) report.tokens.push_back(token_report(model, id));
  report.target.text = token_report(model, report.target.id).text;
  if (report.target.contrast_id) report.target.contrast_text = token_report(model, *report.target.contrast_id).text;
}

}  // namespace hindscan
