#include "explain/token_text.h"

#include <algorithm>

#include "base/utf8.h"
#include "io/printable.h"

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

static std::string hex(const std::string& bytes) {
  std::string out;
  for (char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  return out;
}

Json token_json(const TokenReport& token) {
  Json out = Json::object();
  out.set("id", token.id).set("text", token.text);
  if (!token.bytes.empty()) out.set("bytes", hex(token.bytes));
  return out;
}

static std::string target_text(const Model& model, TargetKind kind, int32_t id) {
  if (kind == TargetKind::kToken) {
    const TokenReport token = token_report(model, id);
    return token.bytes.empty() ? token.text : printable(token.bytes).text;  // two bytes that are no characters differ
  }
  const std::string label = fmt::format("id2label.{}", id);
  return model.config().has(label) ? model.config().text(label, "") : fmt::format("{} {}", target_kind_name(kind), id);
}

void describe_target(const Model& model, TargetReport& target) {
  const auto text = [&](int32_t id) { return target_text(model, target.kind, id); };
  const auto texts = [&](std::span<const int32_t> ids) {
    std::vector<std::string> out(ids.size());
    std::ranges::transform(ids, out.begin(), text);
    return out;
  };
  target.text.clear();
  for (const int32_t id : target.earlier) target.text += text(id);
  target.text += text(target.id);
  target.also_texts = texts(target.also);
  if (target.contrast_id) target.contrast_text = text(*target.contrast_id);
  target.contrast_also_texts = texts(target.contrast_also);
}

void describe_tokens(const Model& model, const ExplainRequest& request, ExplainReport& report) {
  report.model = model.name();
  report.weights = model.weights_hash();
  report.tokens.clear();
  for (int32_t id : request.tokens) report.tokens.push_back(token_report(model, id));
  const int64_t width = model.arch().sizes().feature_dim;
  report.vectors = width > 0;
  for (int64_t t = 0; width > 0 && t < static_cast<int64_t>(request.features.size()) / width; ++t)
    report.tokens.push_back({static_cast<int32_t>(t), fmt::format("{}#{}", t > 0 ? " " : "", t), ""});
  describe_target(model, report.target);
}

}  // namespace hindscan
