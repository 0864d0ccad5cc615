#include "io/tokenizer_keys.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "io/unknown_keys.h"

namespace hindscan {
namespace {

constexpr const char* kRead = nullptr;
constexpr const char* kOffsets = "moves the places tokens are said to have, never their ids";
constexpr const char* kPairs = "for pairs of texts; a text is read alone";
constexpr const char* kDecoding = "the bytes of the tokens are put together as they are";
constexpr const char* kReset = "transformers switches it off at every call that does not ask for it";

struct TokenizerKey {
  std::string_view section, key;  // section: the top level's key; "" for the top level
  const char* why;                // nothing depends on it; kRead: read
};

constexpr TokenizerKey kKeys[] = {
    {"", "version", kRead},
    {"", "truncation", kReset},
    {"", "padding", kReset},
    {"", "added_tokens", kRead},
    {"", "normalizer", kRead},
    {"", "pre_tokenizer", kRead},
    {"", "post_processor", kRead},
    {"", "decoder", kRead},
    {"", "model", kRead},
    {"added_tokens", "id", kRead},
    {"added_tokens", "content", kRead},
    {"added_tokens", "single_word", kRead},
    {"added_tokens", "lstrip", kRead},
    {"added_tokens", "rstrip", kRead},
    {"added_tokens", "normalized", kRead},
    {"added_tokens", "special", kRead},
    {"normalizer", "type", kRead},
    {"normalizer", "normalizers", kRead},
    {"pre_tokenizer", "type", kRead},
    {"pre_tokenizer", "pretokenizers", kRead},
    {"pre_tokenizer", "add_prefix_space", kRead},
    {"pre_tokenizer", "use_regex", kRead},
    {"pre_tokenizer", "individual_digits", kRead},
    {"pre_tokenizer", "behavior", kRead},
    {"pre_tokenizer", "invert", kRead},
    {"pre_tokenizer", "pattern", kRead},
    {"pre_tokenizer", "String", kRead},
    {"pre_tokenizer", "Regex", kRead},
    {"pre_tokenizer", "trim_offsets", kOffsets},
    {"post_processor", "type", kRead},
    {"post_processor", "processors", kRead},
    {"post_processor", "single", kRead},
    {"post_processor", "Sequence", kRead},
    {"post_processor", "SpecialToken", kRead},
    {"post_processor", "special_tokens", kRead},
    {"post_processor", "id", kRead},
    {"post_processor", "pair", kPairs},
    {"post_processor", "type_id", kPairs},
    {"post_processor", "add_prefix_space", kOffsets},
    {"post_processor", "trim_offsets", kOffsets},
    {"post_processor", "use_regex", kOffsets},
    {"decoder", "type", kRead},
    {"decoder", "add_prefix_space", kDecoding},
    {"decoder", "trim_offsets", kDecoding},
    {"decoder", "use_regex", kDecoding},
    {"model", "type", kRead},
    {"model", "vocab", kRead},
    {"model", "merges", kRead},
    {"model", "unk_token", kRead},
    {"model", "fuse_unk", kRead},
    {"model", "byte_fallback", kRead},
    {"model", "dropout", kRead},
    {"model", "ignore_merges", kRead},
    {"model", "continuing_subword_prefix", kRead},
    {"model", "end_of_word_suffix", kRead},
};

bool is_known(std::string_view section, std::string_view key) {
  return std::any_of(std::begin(kKeys), std::end(kKeys),
                     [&](const TokenizerKey& k) { return k.section == section && k.key == key; });
}

// What is long, holds names of the file's own, or is not read at all.
bool is_closed(std::string_view key) {
  constexpr std::string_view kClosed[] = {"vocab", "merges", "special_tokens", "pair", "truncation", "padding"};
  return std::find(std::begin(kClosed), std::end(kClosed), key) != std::end(kClosed);
}

// Keys of a section at any depth; recursion is bounded by kJsonDepth.
void collect(std::string_view section, const Json& value, std::vector<std::string>& unknown) {
  if (value.is_array()) {
    for (const Json& item : value.items()) collect(section, item, unknown);
  }
  if (!value.is_object()) return;
  for (const auto& [key, inner] : value.members()) {
    if (!is_known(section, key)) {
      unknown.push_back(section.empty() ? key : fmt::format("{}.{}", section, key));
    } else if (!is_closed(key)) {
      collect(section.empty() ? std::string_view(key) : section, inner, unknown);
    }
  }
}

}  // namespace

void say_unused_keys(const JsonReader& tokenizer, std::string_view label) {
  const std::string version = tokenizer.get_string_or("version", "1.0");
  check(version == "1.0", ErrorCode::kData, "[{}] expected \"1.0\", found \"{}\"; save it with an older tokenizers",
        tokenizer.where("version"), version.substr(0, 60));
  for (const char* key : {"truncation", "padding"}) {
    if (tokenizer.find_object(key)) log_info("[{}] is not applied: {}", tokenizer.where(key), kReset);
  }
  std::vector<std::string> unknown;
  collect("", tokenizer.value(), unknown);
  note_unknown_keys(label, std::move(unknown));
}

}  // namespace hindscan
