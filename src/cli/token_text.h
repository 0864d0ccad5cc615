// Token text in results: valid UTF-8, with the raw bytes beside it where they are not.
#pragma once
#include <string>

#include "io/json.h"
#include "model/model.h"

namespace hindscan::cli {

std::string token_bytes(const Model& model, int32_t id);  // "<id>" for a model without tokenizer

// {"id", "text", "bytes"?}: bytes, in hex, only when they are not UTF-8 on their own.
Json token_json(const Model& model, int32_t id);

}  // namespace hindscan::cli
