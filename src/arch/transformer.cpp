// Decoder-only transformers, the softmax end of the table: GPT-NeoX / Pythia (LayerNorm, partial rotary, parallel
// residual) and Llama style (RMS norm, rotary, grouped queries, SwiGLU; Qwen3's norms on q and k). Hugging Face names.
#include <cmath>

#include "arch/architecture.h"
#include "nn/attention.h"
#include "nn/parts.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

struct DecoderConfig {
  int64_t d_model, n_layer, vocab_size, d_ffn;
  double norm_eps, init_std;
  bool tie_embeddings, mlp_bias = false;
  kernels::Act act;
  nn::AttentionOptions attention;
  std::vector<int64_t> windows;  // [n_layer], 0: every earlier token
};

// What a configuration leaves out, as the publisher's class has it. 0: follows from the other sizes.
struct DecoderDefaults {
  int64_t d_model, n_layer, vocab_size, d_ffn, heads, kv_heads, head_dim;
  const char* act;
  nn::RotaryKeys rotary;
};
constexpr DecoderDefaults kNeox = {
    6144,  44,     50432,
    24576, 64,     0,
    0,     "gelu", {.base = "rotary_emb_base", .partial = "rotary_pct", .default_partial = 0.25}};
constexpr DecoderDefaults kLlama = {4096, 32, 32000, 11008, 32, 0, 0, "silu", {}};
constexpr DecoderDefaults kQwen3 = {4096, 32, 151936, 22016, 32, 32, 128, "silu", {.default_positions = 32768}};

DecoderConfig read_decoder(const Config& c, const DecoderDefaults& defaults, bool grouped) {
  DecoderConfig d{};
  d.d_model = c.integer("hidden_size", 1, kMaxDim, defaults.d_model);
  d.n_layer = c.integer("num_hidden_layers", 0, 10000, defaults.n_layer);
  d.vocab_size = c.integer("vocab_size", 1, kMaxDim, defaults.vocab_size);
  d.d_ffn = c.integer("intermediate_size", 1, kMaxDim, defaults.d_ffn);
  d.init_std = c.real("initializer_range", 0.02);
  d.act = nn::read_act(c, "hidden_act", defaults.act);
  d.tie_embeddings = c.flag("tie_word_embeddings", false);
  nn::AttentionOptions& a = d.attention;
  a.d_model = d.d_model;
  a.heads = c.integer("num_attention_heads", 1, 65536, defaults.heads);
  const int64_t kv_heads = defaults.kv_heads > 0 ? std::min(defaults.kv_heads, a.heads) : a.heads;
  a.kv_heads = grouped ? c.integer("num_key_value_heads", 1, a.heads, kv_heads) : a.heads;
  const int64_t head_dim = defaults.head_dim > 0 ? defaults.head_dim : d.d_model / a.heads;
  a.head_dim = grouped ? c.integer("head_dim", 1, 65536, head_dim) : head_dim;
  check(a.heads % a.kv_heads == 0 && a.head_dim > 0, ErrorCode::kData,
        "[{}] expected num_attention_heads {} to be a multiple of num_key_value_heads {}", c.label(), a.heads,
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

class GptNeox final : public Architecture {
 public:
  GptNeox(const Config& source, DecoderConfig c, bool bias, bool parallel)
      : source_(source), c_(std::move(c)), bias_(bias), parallel_(parallel) {}

  void declare(WeightTable& t) override {
    const int64_t D = c_.d_model;
    const Init init = Init::normal(c_.init_std);
    for (const char* buffer : {".attention.bias", ".attention.masked_bias"}) t.ignore(buffer);
    embeddings_ = &t.add_matrix("gpt_neox.embed_in.weight", {c_.vocab_size, D}, init);
    const auto norm = [&](const std::string& name) {
      return Norm{&t.add(name + ".weight", {D}, Init::ones()), &t.add(name + ".bias", {D}, Init::zeros())};
    };
    const auto linear = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
      return Linear{&t.add_matrix(name + ".weight", {out, in}, init),
                    bias ? &t.add(name + ".bias", {out}, Init::zeros()) : nullptr};
    };
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const std::string p = fmt::format("gpt_neox.layers.{}.", l);
      layers_.push_back({norm(p + "input_layernorm"), norm(p + "post_attention_layernorm"),
                         linear(p + "attention.query_key_value", 3 * D, D, bias_),
                         linear(p + "attention.dense", D, D, bias_), linear(p + "mlp.dense_h_to_4h", c_.d_ffn, D, true),
                         linear(p + "mlp.dense_4h_to_h", D, c_.d_ffn, true)});
    }
    final_norm_ = norm("gpt_neox.final_layer_norm");
    head_ = embeddings_;
    if (c_.tie_embeddings) {
      embeddings_->aliases = {"embed_out.weight", "lm_head.weight"};
    } else {
      head_ = &t.add_matrix("embed_out.weight", {c_.vocab_size, D}, init);
      head_->aliases = {"lm_head.weight"};
    }
  }

  Var forward(Ctx& ctx) const override {
    Var h = ctx.embedding(*embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&](Ctx& c, Var x) {
        const Var u = norm(c, w.norm1, x);                                                             // [T, d_model]
        const Var y = c.add(x, c.mixer("softmax", u, [&](Ctx& m, Var in) { return mix(m, w, in); }));  // [T, d_model]
        return c.add(y, mlp(c, w, norm(c, w.norm2, parallel_ ? x : y)));                               // [T, d_model]
      });
    }
    return norm(ctx, final_norm_, h);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override { return {{"head_dim", "hidden_size over num_attention_heads"}}; }
  ArchitectureSizes sizes() const override { return decoder_sizes(c_); }
  int64_t flops_per_token() const override {
    return c_.n_layer * (nn::attention_flops(c_.attention) + 4 * c_.d_model * c_.d_ffn) +
           2 * c_.vocab_size * c_.d_model;
  }

 private:
  struct Norm {
    Weight *weight, *bias;
  };
  struct Linear {
    Weight *weight, *bias;
  };
  struct Layer {
    Norm norm1, norm2;
    Linear qkv, dense, up, down;
  };

  Var norm(Ctx& c, const Norm& w, Var x) const {
    return c.norm({NormOptions::Kind::kLayer, c_.norm_eps}, w.weight, w.bias, x);
  }

  Var mlp(Ctx& c, const Layer& w, Var x) const {
    return c.linear(*w.down.weight, w.down.bias,
                    c.activation(c_.act, c.linear(*w.up.weight, w.up.bias, x)));  // [T, d_model]
  }

  Var mix(Ctx& c, const Layer& w, Var u) const {
    const nn::AttentionOptions& a = c_.attention;
    const int64_t d = a.head_dim;
    const Var qkv = c.linear(*w.qkv.weight, w.qkv.bias, u);                                       // [T, H*3*d]
    const auto part = [&](int64_t i) { return c.split_strided(qkv, a.heads, 3 * d, i * d, d); };  // [T, H*d]
    const auto turned = [&](Var x) { return a.rotary.dim > 0 ? c.rope(a.rotary.of(a.heads, d), x) : x; };
    Attention in{a.heads, a.heads, c.tap("q", turned(part(0))), c.tap("k", turned(part(1))), c.tap("v", part(2))};
    in.scale = 1 / std::sqrt(static_cast<double>(d));
    return c.linear(*w.dense.weight, w.dense.bias, c.softmax_attention(in));  // [T, d_model]
  }

  Config source_;
  DecoderConfig c_;
  bool bias_, parallel_;
  std::vector<Layer> layers_;
  Norm final_norm_{};
  Weight *embeddings_ = nullptr, *head_ = nullptr;
};

class Llama final : public Architecture {
 public:
  Llama(const Config& source, DecoderConfig c) : source_(source), c_(std::move(c)) {}

  void declare(WeightTable& t) override {
    const Init init = Init::normal(c_.init_std);
    embeddings_ = &t.add_matrix("model.embed_tokens.weight", {c_.vocab_size, c_.d_model}, init);
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const std::string p = fmt::format("model.layers.{}.", l);
      layers_.push_back({&t.add(p + "input_layernorm.weight", {c_.d_model}, Init::ones()),
                         &t.add(p + "post_attention_layernorm.weight", {c_.d_model}, Init::ones()),
                         nn::declare_attention(t, p + "self_attn.", c_.attention, init, init),
                         nn::declare_gated_mlp(t, p + "mlp.", c_.d_model, c_.d_ffn, init, init, c_.mlp_bias)});
    }
    norm_ = &t.add("model.norm.weight", {c_.d_model}, Init::ones());
    head_ = embeddings_;
    if (c_.tie_embeddings)
      embeddings_->aliases.push_back("lm_head.weight");
    else
      head_ = &t.add_matrix("lm_head.weight", {c_.vocab_size, c_.d_model}, init);
  }

  Var forward(Ctx& ctx) const override {
    Var h = ctx.embedding(*embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      nn::AttentionOptions options = c_.attention;
      options.window = c_.windows[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&, options](Ctx& c, Var x) {
        const Var u = c.rmsnorm(w.norm1, x, c_.norm_eps);  // [T, d_model]
        const Var y =
            c.add(x, c.mixer("softmax", u, [&](Ctx& m, Var in) { return nn::attention(m, w.attention, options, in); }));
        return c.add(y, nn::gated_mlp(c, w.mlp, c.rmsnorm(w.norm2, y, c_.norm_eps), c_.act));  // [T, d_model]
      });
    }
    return ctx.rmsnorm(norm_, h, c_.norm_eps);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    return {{"pretraining_tp", "cuts the same sums into slices"},
            {"max_window_layers", "used with use_sliding_window where layer_types is absent"},
            {"sliding_window", "used with use_sliding_window"}};
  }
  ArchitectureSizes sizes() const override { return decoder_sizes(c_); }
  int64_t flops_per_token() const override {
    return c_.n_layer * (nn::attention_flops(c_.attention) + nn::gated_mlp_flops(c_.d_model, c_.d_ffn)) +
           2 * c_.vocab_size * c_.d_model;
  }

 private:
  struct Layer {
    Weight *norm1, *norm2;
    nn::AttentionWeights attention;
    nn::GatedMlp mlp;
  };
  Config source_;
  DecoderConfig c_;
  std::vector<Layer> layers_;
  Weight *embeddings_ = nullptr, *norm_ = nullptr, *head_ = nullptr;
};

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

// Layers whose attention sees the last `sliding_window` tokens: those "layer_types" names, or those from
// "max_window_layers" on.
void read_windows(const Config& c, DecoderConfig& d) {
  const int64_t window = c.integer("sliding_window", 1, int64_t{1} << 40, 4096);
  const bool sliding = c.flag("use_sliding_window", false) && !c.is_null("sliding_window");
  const int64_t first = c.integer("max_window_layers", 0, INT32_MAX, 28);
  const std::vector<std::string> types = c.texts("layer_types");
  check(types.empty() || std::ssize(types) == d.n_layer, ErrorCode::kData,
        "[{}] expected \"layer_types\" of {} layers, found {}", c.label(), d.n_layer, types.size());
  for (int64_t l = 0; l < d.n_layer; ++l) {
    const std::string type = !types.empty()          ? types[static_cast<size_t>(l)]
                             : sliding && l >= first ? "sliding_attention"
                                                     : "full_attention";
    check(type == "full_attention" || type == "sliding_attention", ErrorCode::kData,
          "[{}] expected \"layer_types\" full_attention or sliding_attention, found \"{}\"", c.label(),
          type.substr(0, 60));
    check(type == "full_attention" || sliding, ErrorCode::kData,
          "[{}] expected \"use_sliding_window\" and a \"sliding_window\" for \"layer_types\" sliding_attention",
          c.label());
    if (type == "sliding_attention") d.windows[static_cast<size_t>(l)] = window;
  }
}

}  // namespace

std::unique_ptr<Architecture> make_gpt_neox(const Config& c) {
  DecoderConfig d = read_decoder(c, kNeox, false);
  d.norm_eps = c.real("layer_norm_eps", 0, 1, 1e-5);
  check(d.attention.head_dim * d.attention.heads == d.d_model, ErrorCode::kData,
        "[{}] expected num_attention_heads to divide hidden_size {}, found {}", c.label(), d.d_model,
        d.attention.heads);
  return std::make_unique<GptNeox>(c, d, c.flag("attention_bias", true), c.flag("use_parallel_residual", true));
}

std::unique_ptr<Architecture> make_llama(const Config& c) {
  const bool qwen3 = c.text("model_type", "") == "qwen3";
  DecoderConfig d = read_decoder(c, qwen3 ? kQwen3 : kLlama, true);
  d.norm_eps = d.attention.norm_eps = c.real("rms_norm_eps", 0, 1, 1e-6);
  check(d.attention.rotary.dim == d.attention.head_dim, ErrorCode::kData,
        "[{}] expected positions on all {} channels of a head, found a partial_rotary_factor below 1", c.label(),
        d.attention.head_dim);
  d.attention.bias = d.attention.out_bias = c.flag("attention_bias", false);
  d.attention.qk_norm = qwen3;
  if (qwen3) read_windows(c, d);
  if (qwen3) return std::make_unique<Llama>(c, d);
  d.mlp_bias = c.flag("mlp_bias", false);
  return std::make_unique<Llama>(c, d);
}

Config gpt_neox_preset(const PresetSizes& sizes) { return decoder_preset("gpt_neox", sizes); }

Config llama_preset(const PresetSizes& sizes) {
  Config c = decoder_preset("llama", sizes);
  c.set("intermediate_size", (sizes.d_model * 8 / 3 + 31) / 32 * 32);
  return c;
}

Config qwen3_preset(const PresetSizes& sizes) {
  Config c = llama_preset(sizes);
  c.set("model_type", std::string("qwen3"));
  const int64_t heads = c.integer("num_attention_heads", 1, 65536);
  c.set("num_key_value_heads", heads);
  c.set("head_dim", sizes.d_model / heads);
  return c;
}

}  // namespace hindscan
