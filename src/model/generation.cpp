#include "model/generation.h"

#include <algorithm>

#include "base/log.h"
#include "io/unknown_keys.h"

namespace hindscan {
namespace {

constexpr const char* kEnd = "eos_token_id";

std::vector<int32_t> end_ids(const Config& c, int64_t vocab_size) {
  std::vector<int64_t> ids = c.is_list(kEnd) ? c.integers(kEnd, INT32_MIN, INT32_MAX) : std::vector<int64_t>{};
  if (c.has(kEnd) && !c.is_list(kEnd)) ids = {c.integer(kEnd, INT32_MIN, INT32_MAX)};
  std::vector<int32_t> out;
  for (const int64_t id : ids) {
    if (id >= 0 && id < vocab_size)
      out.push_back(static_cast<int32_t>(id));
    else
      log_warning("[{}] \"{}\" {} is outside the vocabulary of {} tokens: it ends no text", c.label(), kEnd, id,
                  vocab_size);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void take_sampling(const Config& c, GenerationAdvice& out) {
  out.greedy = c.has("do_sample") && !c.flag("do_sample", false);
  for (const char* key : {"temperature", "top_k", "top_p", "min_p", "repetition_penalty"}) {
    if (!out.greedy && c.has(key)) out.sampling.emplace_back(key, c.real(key, 0));
  }
}

// What generate() would do and `run` has no option for, with the number that asks for nothing.
struct Unoffered {
  const char* key;
  double neutral = 0;
};
constexpr Unoffered kUnoffered[] = {{"num_beams", 1},
                                    {"num_beam_groups", 1},
                                    {"penalty_alpha"},
                                    {"typical_p", 1},
                                    {"top_h"},
                                    {"epsilon_cutoff"},
                                    {"eta_cutoff"},
                                    {"encoder_repetition_penalty", 1},
                                    {"no_repeat_ngram_size"},
                                    {"encoder_no_repeat_ngram_size"},
                                    {"diversity_penalty"},
                                    {"exponential_decay_length_penalty"},
                                    {"guidance_scale", 1},
                                    {"min_length"},
                                    {"min_new_tokens"},
                                    {"bad_words_ids"},
                                    {"force_words_ids"},
                                    {"forced_bos_token_id"},
                                    {"forced_eos_token_id"},
                                    {"suppress_tokens"},
                                    {"begin_suppress_tokens"},
                                    {"forced_decoder_ids"},
                                    {"sequence_bias"},
                                    {"constraints"},
                                    {"stop_strings"},
                                    {"watermarking_config"},
                                    {"dola_layers"},
                                    {"token_healing"},
                                    {"low_memory"}};

bool asks_for_nothing(const ConfigValue& value, double neutral) {
  if (const bool* flag = value.as<bool>()) return !*flag;
  if (const int64_t* number = value.as<int64_t>()) return static_cast<double>(*number) == neutral;
  if (const double* number = value.as<double>()) return *number == neutral;
  if (const auto* list = value.as<ConfigValue::List>()) return list->empty();
  const auto* object = value.as<ConfigValue::Object>();
  return object != nullptr && object->empty();
}

void say_unoffered(const Config& c) {
  std::vector<std::string> found;
  for (const Unoffered& u : kUnoffered) {
    const ConfigValue* value = c.find(u.key);
    if (value != nullptr && !asks_for_nothing(*value, u.neutral)) found.emplace_back(u.key);
  }
  if (!found.empty())
    log_info("[{}] also asks for {}, which 'run' does not do: transformers' generate() goes on otherwise", c.label(),
             fmt::join(found, ", "));
}

// Read elsewhere, or of no effect on which token comes next.
constexpr const char* kIrrelevant[] = {"eos_token_id",
                                       "bos_token_id",
                                       "pad_token_id",
                                       "decoder_start_token_id",
                                       "do_sample",
                                       "temperature",
                                       "top_k",
                                       "top_p",
                                       "min_p",
                                       "repetition_penalty",
                                       "max_length",
                                       "max_new_tokens",
                                       "max_time",
                                       "num_return_sequences",
                                       "use_cache",
                                       "cache_implementation",
                                       "cache_config",
                                       "return_dict_in_generate",
                                       "output_scores",
                                       "output_logits",
                                       "output_attentions",
                                       "output_hidden_states",
                                       "return_legacy_cache",
                                       "remove_invalid_values",
                                       "renormalize_logits",
                                       "length_penalty",
                                       "early_stopping",
                                       "prompt_lookup_num_tokens",
                                       "assistant_early_exit",
                                       "num_assistant_tokens",
                                       "num_assistant_tokens_schedule",
                                       "assistant_confidence_threshold",
                                       "compile_config",
                                       "disable_compile",
                                       "prefill_chunk_size",
                                       "max_matching_ngram_size",
                                       "transformers_version",
                                       "_from_model_config",
                                       "trust_remote_code",
                                       "chat_format"};

void say_unknown(const Config& c) {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : c.root()) {
    const auto is_key = [&key = key](const auto& known) { return key == known; };
    const bool offered = std::any_of(std::begin(kIrrelevant), std::end(kIrrelevant), is_key);
    const auto is_unoffered = [&key = key](const Unoffered& u) { return key == u.key; };
    if (!offered && std::none_of(std::begin(kUnoffered), std::end(kUnoffered), is_unoffered) && !value.is_null())
      unknown.push_back(key);
  }
  note_unknown_keys(c.label(), std::move(unknown));
}

}  // namespace

GenerationAdvice read_generation(const Config& model, const std::optional<Config>& generation, int64_t vocab_size) {
  GenerationAdvice out{end_ids(model, vocab_size), false, {}};
  if (!generation) return out;
  if (generation->has(kEnd)) out.end_ids = end_ids(*generation, vocab_size);
  take_sampling(*generation, out);
  say_unoffered(*generation);
  say_unknown(*generation);
  return out;
}

}  // namespace hindscan
