#include "model/encode_text.h"

#include "base/error.h"
#include "base/log.h"
#include "io/printable.h"

namespace hindscan {

std::vector<int32_t> encode_text(const Model& model, std::string_view text, TextPlace place, UnknownText* unknown) {
  UnknownText found;
  const Tokenizer& tokenizer = model.tokenizer();
  std::vector<int32_t> ids = tokenizer.encode(text, place, &found);
  const int64_t rows = model.arch().sizes().vocab_size;
  for (const int32_t id : ids) {
    check(id < rows, ErrorCode::kData,
          "[tokenizer] '{}' is token {}, and the model knows only {}: it was added later; leave it out of the text",
          printable(tokenizer.token_bytes(id)).text, id, rows);
  }
  if (unknown != nullptr) {
    unknown->add(found);
  } else if (found.count > 0) {
    log_warning("{}", to_text(found));
  }
  return ids;
}

}  // namespace hindscan
