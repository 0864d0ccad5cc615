#include "arch/decoder.h"

#include <algorithm>

namespace hindscan {

constexpr int64_t kMaxDim = int64_t{1} << 24;

DecoderConfig read_decoder(const Config& c, const DecoderDefaults& defaults, bool grouped) {
  DecoderConfig d{};
  d.d_model = c.integer("hidden_size", 1, kMaxDim, defaults.d_model);
  d.n_layer = c.integer("num_hidden_layers", 0, 10000, defaults.n_layer);
  d.vocab_size = c.integer("vocab_size", 1, kMaxDim, defaults.vocab_size);
  d.d_ffn = c.integer("intermediate_size", 1, kMaxDim, defaults.d_ffn);
  d.init_std = c.real("initializer_range", 0, 1e6, 0.02);
  d.act = nn::read_act(c, "hidden_act", defaults.act);
  d.tie_embeddings = c.flag("tie_word_embeddings", false);
  nn::AttentionOptions& a = d.attention;
  a.d_model = d.d_model;
  a.heads = c.integer("num_attention_heads", 1, 65536, defaults.heads);
  const int64_t kv_heads = defaults.kv_heads > 0 ? std::min(defaults.kv_heads, a.heads) : a.heads;
  a.kv_heads = grouped ? c.integer("num_key_value_heads", 1, a.heads, kv_heads) : a.heads;
  const int64_t head_dim = defaults.head_dim > 0 ? defaults.head_dim : d.d_model / a.heads;
  a.head_dim = grouped ? c.integer("head_dim", 1, 65536, head_dim) : head_dim;
  check(a.head_dim > 0, ErrorCode::kData,
        "[{}] expected at most as many num_attention_heads as hidden_size {}, found {}", c.label(), d.d_model, a.heads);
  check(a.heads % a.kv_heads == 0, ErrorCode::kData,
        "[{}] expected num_attention_heads {} to be a multiple of num_key_value_heads, found {}", c.label(), a.heads,
        a.kv_heads);
  a.rotary = nn::read_rotary(c, a.head_dim, defaults.rotary);
  d.windows.assign(static_cast<size_t>(d.n_layer), 0);
  return d;
}

ArchitectureSizes decoder_sizes(const DecoderConfig& c) {
  ArchitectureSizes s{c.vocab_size, c.d_model, c.n_layer, c.n_layer * c.attention.heads};
  s.cache_per_token = c.n_layer * 2 * c.attention.kv_heads * c.attention.head_dim;
  return s;
}

Config decoder_preset(const char* type, const PresetSizes& sizes) {
  Config c(fmt::format("preset {}", type));
  c.set("model_type", std::string(type));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("intermediate_size", 4 * sizes.d_model);
  c.set("num_attention_heads", std::max<int64_t>(1, sizes.d_model / 64));
  c.set("tie_word_embeddings", true);
  return c;
}

}  // namespace hindscan
