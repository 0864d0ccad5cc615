// What the files beside a tokenizer.json change about it when transformers loads them together: tokenizer_config.json,
// and without a list of added tokens in it the older special_tokens_map.json and added_tokens.json.
#pragma once
#include <optional>
#include <string>

#include "io/json.h"

namespace hindscan {

struct TokenizerCompanions {
  std::string directory;  // for messages
  std::optional<Json> config = {}, special_tokens = {}, added_tokens = {};
  static TokenizerCompanions find(const std::string& directory);
  bool empty() const { return !config && !special_tokens && !added_tokens; }
};

// Puts the tokens they name and `tokenizer` lacks into it; true when there were any. Error(kData) for a setting that
// changes ids in a way we do not have, or that contradicts tokenizer.json.
bool put_in_companions(Json& tokenizer, const std::string& label, const TokenizerCompanions& companions);

// The text of a tokenizer.json for any file of tokens (io/vocabulary_file.h); one of this name with what its companions
// put in.
std::string read_tokenizer(const std::string& path);

}  // namespace hindscan
