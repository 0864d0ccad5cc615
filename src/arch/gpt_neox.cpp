// GPT-NeoX / Pythia: LayerNorm, partial rotary, parallel residual. Hugging Face names.
#include <cmath>

#include "arch/decoder.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/rotate.h"
#include "core/ops/softmax_attention.h"

namespace hindscan {

namespace {

constexpr DecoderDefaults kNeox = {
    6144,  44,     50432,
    24576, 64,     0,
    0,     "gelu", {.base = "rotary_emb_base", .partial = "rotary_pct", .default_partial = 0.25}};

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
    Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const Layer& w = layers_[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&](Ctx& c, Var x) {
        const Var u = norm(c, w.norm1, x);                                                        // [T, d_model]
        const Var y = ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) { return mix(m, w, in); }));  // [T, d_model]
        return ops::add(c, y, mlp(c, w, norm(c, w.norm2, parallel_ ? x : y)));                    // [T, d_model]
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
    return ops::norm(c, {NormOptions::Kind::kLayer, c_.norm_eps}, w.weight, w.bias, x);
  }

  Var mlp(Ctx& c, const Layer& w, Var x) const {
    return ops::linear(c, *w.down.weight, w.down.bias,
                       ops::activation(c, c_.act, ops::linear(c, *w.up.weight, w.up.bias, x)));  // [T, d_model]
  }

  Var mix(Ctx& c, const Layer& w, Var u) const {
    const nn::AttentionOptions& a = c_.attention;
    const int64_t d = a.head_dim;
    const Var qkv = ops::linear(c, *w.qkv.weight, w.qkv.bias, u);                                       // [T, H*3*d]
    const auto part = [&](int64_t i) { return ops::split_strided(c, qkv, a.heads, 3 * d, i * d, d); };  // [T, H*d]
    const auto turned = [&](Var x) { return a.rotary.dim > 0 ? ops::rope(c, a.rotary.of(a.heads, d), x) : x; };
    Attention in{a.heads, a.heads, c.tap("q", turned(part(0))), c.tap("k", turned(part(1))), c.tap("v", part(2))};
    in.scale = 1 / std::sqrt(static_cast<double>(d));
    return ops::linear(c, *w.dense.weight, w.dense.bias, ops::softmax_attention(c, in));  // [T, d_model]
  }

  Config source_;
  DecoderConfig c_;
  bool bias_, parallel_;
  std::vector<Layer> layers_;
  Norm final_norm_{};
  Weight *embeddings_ = nullptr, *head_ = nullptr;
};

}  // namespace

std::unique_ptr<Architecture> make_gpt_neox(const Config& c) {
  DecoderConfig d = read_decoder(c, kNeox, false);
  d.norm_eps = c.real("layer_norm_eps", 0, 1, 1e-5);
  check(d.attention.head_dim * d.attention.heads == d.d_model, ErrorCode::kData,
        "[{}] expected num_attention_heads to divide hidden_size {}, found {}", c.label(), d.d_model,
        d.attention.heads);
  return std::make_unique<GptNeox>(c, d, c.flag("attention_bias", true), c.flag("use_parallel_residual", true));
}

Config gpt_neox_preset(const PresetSizes& sizes) { return decoder_preset("gpt_neox", sizes); }

}  // namespace hindscan
