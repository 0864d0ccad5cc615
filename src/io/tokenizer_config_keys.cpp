#include "io/tokenizer_config_keys.h"

#include <algorithm>

#include "io/unknown_keys.h"

namespace hindscan {
namespace {

constexpr const char* kRead = nullptr;
constexpr const char* kTemplate = "transformers takes what stands around a text from tokenizer.json where there is one";
constexpr const char* kDecoding = "changes texts that tokens are turned into; the bytes are put together as they are";
constexpr const char* kWhole = "a text is read whole and alone: nothing is cut off or filled up";
constexpr const char* kPublishing = "says where the file comes from, or what Python makes of it";
constexpr const char* kChat = "texts are read as they are given, without a form for conversations";
constexpr const char* kOtherKinds = "for tokenizers that are not byte-level";

struct ConfigKey {
  std::string_view key;
  const char* why;
};

constexpr ConfigKey kKeys[] = {
    {"add_prefix_space", kRead},
    {"split_special_tokens", kRead},
    {"added_tokens_decoder", kRead},
    {"additional_special_tokens", kRead},
    {"extra_special_tokens", kRead},
    {"model_specific_special_tokens", kRead},
    {"add_bos_token", kTemplate},
    {"add_eos_token", kTemplate},
    {"clean_up_tokenization_spaces", kDecoding},
    {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", kDecoding},
    {"errors", kDecoding},
    {"spaces_between_special_tokens", kDecoding},
    {"model_max_length", kWhole},
    {"max_length", kWhole},
    {"stride", kWhole},
    {"truncation_side", kWhole},
    {"truncation_strategy", kWhole},
    {"padding_side", kWhole},
    {"pad_token_type_id", kWhole},
    {"pad_to_multiple_of", kWhole},
    {"return_token_type_ids", kWhole},
    {"model_input_names", kWhole},
    {"tokenizer_class", kPublishing},
    {"processor_class", kPublishing},
    {"auto_map", kPublishing},
    {"backend", kPublishing},
    {"is_local", kPublishing},
    {"local_files_only", kPublishing},
    {"name_or_path", kPublishing},
    {"special_tokens_map_file", kPublishing},
    {"tokenizer_file", kPublishing},
    {"use_fast", kPublishing},
    {"trim_offsets", kPublishing},
    {"chat_template", kChat},
    {"use_default_system_prompt", kChat},
    {"response_schema", kChat},
    {"legacy", kOtherKinds},
    {"sp_model_kwargs", kOtherKinds},
    {"do_lower_case", kOtherKinds},
};

}  // namespace

bool names_a_special_token(std::string_view key) {
  return key.ends_with("_token") && key != "add_bos_token" && key != "add_eos_token";
}

void say_unused_config_keys(const JsonReader& config, std::string_view label) {
  std::vector<std::string> unknown;
  for (const std::string& key : config.keys()) {
    const bool known =
        std::any_of(std::begin(kKeys), std::end(kKeys), [&](const ConfigKey& k) { return k.key == key; });
    if (!known && !names_a_special_token(key)) unknown.push_back(key);
  }
  note_unknown_keys(label, std::move(unknown));
}

}  // namespace hindscan
