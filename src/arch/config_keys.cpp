#include "arch/config_keys.h"

#include <set>

#include "arch/architecture.h"

namespace hindscan {

namespace {

constexpr const char* kOutputs = "chooses what Python returns";
constexpr const char* kGenerating = "a default of generate(); 'run' has options of its own";
constexpr const char* kTokens = "the tokenizer says which tokens these are";
constexpr const char* kPublishing = "says where the file comes from";
constexpr const char* kTraining = "acts in training only";
constexpr const char* kSpeed = "chooses between kernels that compute the same";

const KeyNote kCommon[] = {
    {"architectures", kPublishing},
    {"_name_or_path", kPublishing},
    {"transformers_version", kPublishing},
    {"auto_map", "Python code beside the weights is never run"},
    {"finetuning_task", kPublishing},
    {"tokenizer_class", kTokens},
    {"prefix", kTokens},
    {"bos_token_id", kTokens},
    {"pad_token_id", "nothing is padded"},
    {"sep_token_id", kTokens},
    {"unk_token_id", kTokens},
    {"decoder_start_token_id", kTokens},
    {"torch_dtype", "the type of the weights is read from the weights"},
    {"dtype", "the type of the weights is read from the weights"},
    {"use_bfloat16", "the type of the weights is read from the weights"},
    {"torchscript", kOutputs},
    {"return_dict", kOutputs},
    {"output_hidden_states", kOutputs},
    {"output_attentions", kOutputs},
    {"output_scores", kOutputs},
    {"return_dict_in_generate", kOutputs},
    {"use_cache", "the state is always carried"},
    {"is_decoder", "every model here is causal"},
    {"chunk_size_feed_forward", "cuts the same computation into pieces"},
    {"cross_attention_hidden_size", "used with add_cross_attention, which is refused"},
    {"tie_encoder_decoder", "used with is_encoder_decoder, which is refused"},
    {"tf_legacy_loss", kTraining},
    {"problem_type", "read with num_labels and pooling"},
    {"id2label", "read with num_labels and pooling"},
    {"label2id", "the inverse of id2label"},
    {"num_labels", "read with pooling"},
    {"initializer_range", "where fresh weights start"},
    {"attention_dropout", kTraining},
    {"hidden_dropout", kTraining},
    {"hidden_dropout_prob", kTraining},
    {"attention_probs_dropout_prob", kTraining},
    {"embd_pdrop", kTraining},
    {"resid_pdrop", kTraining},
    {"classifier_dropout", kTraining},
    {"gradient_checkpointing", kTraining},
    {"_attn_implementation", kSpeed},
    {"attn_implementation", kSpeed},
    {"_attn_implementation_autoset", kSpeed},
    {"_flash_attn_2_enabled", kSpeed},
    {"max_position_embeddings", "no table of positions limits the length"},
    {"max_length", kGenerating},
    {"min_length", kGenerating},
    {"max_new_tokens", kGenerating},
    {"do_sample", kGenerating},
    {"early_stopping", kGenerating},
    {"num_beams", kGenerating},
    {"num_beam_groups", kGenerating},
    {"diversity_penalty", kGenerating},
    {"temperature", kGenerating},
    {"top_k", kGenerating},
    {"top_p", kGenerating},
    {"typical_p", kGenerating},
    {"repetition_penalty", kGenerating},
    {"length_penalty", kGenerating},
    {"no_repeat_ngram_size", kGenerating},
    {"encoder_no_repeat_ngram_size", kGenerating},
    {"bad_words_ids", kGenerating},
    {"num_return_sequences", kGenerating},
    {"forced_bos_token_id", kGenerating},
    {"forced_eos_token_id", kGenerating},
    {"remove_invalid_values", kGenerating},
    {"exponential_decay_length_penalty", kGenerating},
    {"suppress_tokens", kGenerating},
    {"begin_suppress_tokens", kGenerating},
    {"task_specific_params", kGenerating},
};

const KeyNote kFla[] = {
    {"attn_mode", kSpeed},
    {"fuse_norm", kSpeed},
    {"fuse_swiglu", kSpeed},
    {"fuse_cross_entropy", kSpeed},
    {"fuse_linear_cross_entropy", kSpeed},
    {"use_l2warp", kTraining},
    {"conv_size", "used with use_short_conv"},
    {"hidden_ratio", "used where intermediate_size is absent"},
};

// Collects what nobody knows below `object`; false: nothing at all in it is known.
class Unknown {
 public:
  Unknown(const AskedKeys& asked, std::set<std::string> listed) : asked_(asked), listed_(std::move(listed)) {}

  bool search(const ConfigValue::Object& object, const std::string& prefix) {
    const size_t begin = keys.size();
    size_t known = 0;
    for (const auto& [name, value] : object) known += visit(prefix + name, value) ? 1 : 0;
    if (known > 0 || prefix.empty()) return true;
    keys.resize(begin);
    return object.empty();
  }

  std::vector<std::string> keys;

 private:
  bool visit(const std::string& key, const ConfigValue& value) {
    if (value.is_null() || listed_.contains(key)) return true;
    const auto* object = value.as<ConfigValue::Object>();
    const bool known = object != nullptr ? search(*object, key + ".") : asked_.contains_below(key);
    if (!known) keys.push_back(key);
    return known;
  }

  const AskedKeys& asked_;
  std::set<std::string> listed_;
};

}  // namespace

// 2 and 2.0 are the same.
static bool same_value(const ConfigValue& a, const ConfigValue& b) {
  const auto number = [](const ConfigValue& v) {
    const int64_t* whole = v.as<int64_t>();
    return whole != nullptr ? ConfigValue(static_cast<double>(*whole)) : v;
  };
  return number(a) == number(b);
}

std::span<const KeyNote> common_keys() { return kCommon; }
std::span<const KeyNote> fla_keys() { return kFla; }

void refuse_common_keys(const Config& c) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    check(!c.has(key), ErrorCode::kData, "[{}] expected plain weights, found \"{}\"; fetch the model without it",
          c.label(), key);
  }
  for (const char* key : {"is_encoder_decoder", "add_cross_attention"}) {
    check(!c.flag(key, false), ErrorCode::kData, "[{}] expected a decoder by itself, found \"{}\" true", c.label(),
          key);
  }
  const ConfigValue* pruned = c.find("pruned_heads");
  const auto* heads = pruned == nullptr ? nullptr : pruned->as<ConfigValue::Object>();
  check(pruned == nullptr || (heads != nullptr && heads->empty()), ErrorCode::kData,
        "[{}] expected every attention head, found \"pruned_heads\"", c.label());
}

std::vector<std::string> unknown_keys(const Config& config, const Architecture& architecture) {
  if (config.asked() == nullptr) return {};
  std::set<std::string> listed;
  for (const KeyNote& note : common_keys()) listed.insert(note.key);
  for (const KeyNote& note : architecture.unused_keys()) listed.insert(note.key);
  Unknown unknown(*config.asked(), std::move(listed));
  unknown.search(config.root(), "");
  return std::move(unknown.keys);
}

std::vector<std::string> differing_copies(const Config& config, const Architecture& architecture) {
  std::vector<std::string> out;
  for (const KeyNote& note : architecture.unused_keys()) {
    if (note.copy_of == nullptr || !config.has(note.key) || !config.has(note.copy_of)) continue;
    if (!same_value(*config.find(note.key), *config.find(note.copy_of)))
      out.push_back(fmt::format("\"{}\" is not what \"{}\" says, which was used", note.key, note.copy_of));
  }
  return out;
}

}  // namespace hindscan
