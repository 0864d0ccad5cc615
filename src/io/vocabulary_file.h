// Vocabularies of models without tokenizer.json, turned into one of model type "LongestMatch".
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

// Told apart by what the file holds:
//   RWKV World: lines "id python-literal length"; token 0 is the end of a text
//   characters: JSON ["a", "b"], {"a": 0, "b": 1} or {"0": "a", "1": "b"}; or text, one character a line or all on one
//   line tokenizer.json: unchanged
// Error(kData) names the line.
std::string tokenizer_json_of_vocabulary(std::string_view text, const std::string& label);

// The text of such a file: byte order marks skipped, UTF-16 converted.
std::string read_vocabulary_file(const std::string& path);

std::string byte_tokenizer_json();  // token = byte

// tokens[id] are bytes; an empty one does not exist.
std::string longest_match_json(const std::vector<std::string>& tokens, bool zero_ends_text);

// The bytes of each id of rwkv_vocab_v20230424.txt and the like; 0 is empty.
std::vector<std::string> parse_rwkv_vocabulary(std::string_view text, const std::string& label);

// The vocabulary file in a directory, or an empty string: rwkv_vocab*.txt; with `characters` also vocab.json (unless
// merges.txt lies beside it) and vocab.txt.
std::string find_vocabulary(const std::string& directory, bool characters);

}  // namespace hindscan
