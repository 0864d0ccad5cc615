// Llama style: RMS norm, rotary, grouped queries, SwiGLU; Qwen3's norms on q and k and its windows. Hugging Face names.
#include "arch/decoder.h"
#include "base/counted.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"

namespace hindscan {

namespace {

constexpr DecoderDefaults kLlama = {4096, 32, 32000, 11008, 32, 0, 0, "silu", {}};
constexpr DecoderDefaults kQwen3 = {4096, 32, 151936, 22016, 32, 32, 128, "silu", {.default_positions = 32768}};

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
    Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      nn::AttentionOptions options = c_.attention;
      options.window = c_.windows[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&, options](Ctx& c, Var x) {
        const Var u = ops::rmsnorm(c, w.norm1, x, c_.norm_eps);  // [T, d_model]
        const Var y =
            ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) { return nn::attention(m, w.attention, options, in); }));
        return ops::add(c, y,
                        nn::gated_mlp(c, w.mlp, ops::rmsnorm(c, w.norm2, y, c_.norm_eps), c_.act));  // [T, d_model]
      });
    }
    return ops::rmsnorm(ctx, norm_, h, c_.norm_eps);  // [T, d_model]
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

// Layers whose attention sees the last `sliding_window` tokens: those "layer_types" names, or those from
// "max_window_layers" on.
void read_windows(const Config& c, DecoderConfig& d) {
  const bool sliding = c.flag("use_sliding_window", false) && !c.is_null("sliding_window");
  const int64_t window = sliding ? c.integer("sliding_window", 1, int64_t{1} << 40, 4096) : 0;
  const int64_t first = c.integer("max_window_layers", 0, INT32_MAX, 28);
  const std::vector<std::string> types = c.texts("layer_types");
  check(types.empty() || std::ssize(types) == d.n_layer, ErrorCode::kData,
        "[{}] expected \"layer_types\" of {}, found {}", c.label(), counted(d.n_layer, "layer"), types.size());
  for (int64_t l = 0; l < d.n_layer; ++l) {
    const std::string type = !types.empty()          ? types[static_cast<size_t>(l)]
                             : sliding && l >= first ? "sliding_attention"
                                                     : "full_attention";
    check(type == "full_attention" || type == "sliding_attention", ErrorCode::kData,
          "[{}] expected \"layer_types\" full_attention or sliding_attention, found \"{}\"", c.label(),
          type.substr(0, 60));
    check(type == "full_attention" || sliding, ErrorCode::kData,
          "[{}] expected \"use_sliding_window\" and a \"sliding_window\" for \"layer_types\" sliding_attention, found "
          "none; correct the file",
          c.label());
    if (type == "sliding_attention") d.windows[static_cast<size_t>(l)] = window;
  }
}

}  // namespace

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
