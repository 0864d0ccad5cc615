#include "cli/token_text.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace hindscan::cli {

std::string token_bytes(const Model& model, int32_t id) {
  const bool has_text = model.has_tokenizer() && id < model.tokenizer().vocab_size();  // a padded vocabulary is larger
  return has_text ? std::string(model.tokenizer().token_bytes(id)) : fmt::format("<{}>", id);
}

Json token_json(const Model& model, int32_t id) {
  const std::string bytes = token_bytes(model, id);
  Json out = Json::object();
  out.set("id", id);
  if (valid_utf8(bytes)) return out.set("text", bytes);
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out.set("text", replace_invalid_utf8(bytes)).set("bytes", hex);
}

}  // namespace hindscan::cli
