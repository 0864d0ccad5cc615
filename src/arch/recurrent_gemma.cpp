// Griffin / RecurrentGemma (arXiv 2402.19427): RG-LRU h_t = a_t h_{t-1} + sqrt(1 - a_t^2) (i_t x_t), log a = -8 r
// softplus(a_param), in turn with local multi-query attention; gated GELU MLP; RMS norms by 1 + w. Names of
// google/recurrentgemma-* in Hugging Face.
#include <cmath>

#include "arch/architecture.h"
#include "base/counted.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "core/ops/norm.h"
#include "core/ops/rotate.h"
#include "core/ops/scale.h"
#include "core/ops/softmax_attention.h"
#include "nn/parts.h"
#include "nn/rotary.h"

namespace hindscan {

namespace {

struct GriffinConfig {
  int64_t d_model, n_layer, vocab_size, d_ffn, heads, kv_heads, lru_width, d_conv, window;
  std::vector<std::string> pattern;  // "recurrent" or "attention", repeated over the layers
  double norm_eps, soft_cap;
  kernels::Act act;
  nn::Rotary rotary;
  bool attention_bias, tie_embeddings;
  int64_t head_dim() const { return d_model / heads; }
  bool recurrent(int64_t layer) const { return pattern[static_cast<size_t>(layer) % pattern.size()] == "recurrent"; }
};

struct Recurrent {
  Weight *y, *y_bias, *x, *x_bias, *out, *out_bias, *conv, *conv_bias, *a_param, *i_weight, *i_bias, *r_weight, *r_bias;
};
struct LocalAttention {
  Weight *q, *k, *v, *o, *q_bias = nullptr, *k_bias = nullptr, *v_bias = nullptr, *o_bias;
};
struct GriffinLayer {
  Weight *temporal_norm, *channel_norm;
  Recurrent rec{};
  LocalAttention attn{};
  nn::GatedMlp mlp;
};

Init normal_fan_in(double variance, int64_t fan_in) {
  return Init::normal(std::sqrt(variance / static_cast<double>(fan_in)));
}

// a uniform on the ring [0.9, 0.999] for r = 1: softplus(a_param) = -log(a).
Init ring_init() {
  return Init::custom([](std::span<double> out, const std::vector<int64_t>&, Rng& rng) {
    for (double& v : out) {
      const double a2 = 0.9 * 0.9 + rng.uniform() * (0.999 * 0.999 - 0.9 * 0.9) + 1e-8;
      v = std::log(std::expm1(-0.5 * std::log(a2)));
    }
  });
}

class RecurrentGemma final : public Architecture {
 public:
  RecurrentGemma(const Config& source, GriffinConfig c) : source_(source), c_(std::move(c)) {}

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("model.embed_tokens.weight", {c_.vocab_size, c_.d_model}, normal_fan_in(1, c_.d_model));
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const std::string p = fmt::format("model.layers.{}.", l);
      GriffinLayer w{};
      w.temporal_norm = &t.add(p + "temporal_pre_norm.weight", {c_.d_model}, Init::zeros());
      if (c_.recurrent(l))
        w.rec = declare_recurrent(t, p + "temporal_block.");
      else
        w.attn = declare_attention(t, p + "temporal_block.");
      w.channel_norm = &t.add(p + "channel_pre_norm.weight", {c_.d_model}, Init::zeros());
      w.mlp = nn::declare_gated_mlp(t, p + "mlp_block.", c_.d_model, c_.d_ffn, normal_fan_in(1, c_.d_model),
                                    normal_fan_in(final_variance(), c_.d_ffn), true);
      layers_.push_back(w);
    }
    final_norm_ = &t.add("model.final_norm.weight", {c_.d_model}, Init::zeros());
    head_ = embeddings_;
    if (c_.tie_embeddings)
      embeddings_->aliases.push_back("lm_head.weight");
    else
      head_ = &t.add_matrix("lm_head.weight", {c_.vocab_size, c_.d_model}, normal_fan_in(1, c_.d_model));
  }

  Var forward(Ctx& ctx) const override {
    // The published factor sqrt(d_model) is rounded to bf16.
    const double factor = bf16_to_float(float_to_bf16(std::sqrt(static_cast<float>(c_.d_model))));
    Var h = ops::scale(ctx, factor, ops::embedding(ctx, *embeddings_));  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const GriffinLayer& w = layers_[static_cast<size_t>(l)];
      const bool recurrent = c_.recurrent(l);
      h = ctx.block(static_cast<int>(l), h, [&, recurrent](Ctx& c, Var x) {
        const Var u = norm(c, w.temporal_norm, x);                     // [T, d_model]
        const Var y = ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) {  // [T, d_model]
          return recurrent ? mix_recurrent(m, w.rec, in) : mix_attention(m, w.attn, in);
        }));
        return ops::add(c, y, nn::gated_mlp(c, w.mlp, norm(c, w.channel_norm, y), c_.act));  // [T, d_model]
      });
    }
    return norm(ctx, final_norm_, h);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  LogitHead logit_head() const override {
    LogitHead out(*head_);
    out.soft_cap = c_.soft_cap;
    return out;
  }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    return {{"_block_types", "a copy of block_types", "block_types"},
            {"w_init_variance_scale", "where fresh weights start"},
            {"final_w_init_variance_scale", "where fresh weights start"}};
  }

  ArchitectureSizes sizes() const override {
    ArchitectureSizes s{c_.vocab_size, c_.d_model, c_.n_layer};
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      s.attention_maps += c_.recurrent(l) ? c_.lru_width : c_.heads;
      s.state_numbers += c_.recurrent(l) ? c_.lru_width * c_.d_conv : 0;
      s.cache_per_token += c_.recurrent(l) ? 0 : 2 * c_.kv_heads * c_.head_dim();
    }
    return s;
  }

  int64_t flops_per_token() const override {
    int64_t adds = c_.vocab_size * c_.d_model;
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const int64_t block = c_.lru_width / c_.heads;
      const int64_t recurrent = 3 * c_.d_model * c_.lru_width + c_.lru_width * (c_.d_conv + 2 * block + 3);
      const int64_t attention = 2 * c_.d_model * (c_.heads + c_.kv_heads) * c_.head_dim();
      adds += (c_.recurrent(l) ? recurrent : attention) + 3 * c_.d_model * c_.d_ffn;
    }
    return 2 * adds;
  }

 private:
  double final_variance() const { return 2.0 / static_cast<double>(std::max<int64_t>(1, c_.n_layer)); }

  Recurrent declare_recurrent(WeightTable& t, const std::string& p) const {
    const int64_t D = c_.d_model, W = c_.lru_width, b = W / c_.heads;
    Recurrent r{};
    r.y = &t.add_matrix(p + "linear_y.weight", {W, D}, normal_fan_in(1, D));
    r.y_bias = &t.add(p + "linear_y.bias", {W}, Init::zeros());
    r.x = &t.add_matrix(p + "linear_x.weight", {W, D}, normal_fan_in(1, D));
    r.x_bias = &t.add(p + "linear_x.bias", {W}, Init::zeros());
    r.conv = &t.add(p + "conv_1d.weight", {W, 1, c_.d_conv}, normal_fan_in(0.01, c_.d_conv));
    r.conv_bias = &t.add(p + "conv_1d.bias", {W}, Init::zeros());
    r.a_param = &t.add(p + "rg_lru.recurrent_param", {W}, ring_init());
    r.i_weight = &t.add(p + "rg_lru.input_gate_weight", {c_.heads, b, b}, normal_fan_in(0.01, b));
    r.i_bias = &t.add(p + "rg_lru.input_gate_bias", {c_.heads, b}, Init::zeros());
    r.r_weight = &t.add(p + "rg_lru.recurrent_gate_weight", {c_.heads, b, b}, normal_fan_in(0.01, b));
    r.r_bias = &t.add(p + "rg_lru.recurrent_gate_bias", {c_.heads, b}, Init::zeros());
    r.out = &t.add_matrix(p + "linear_out.weight", {D, W}, normal_fan_in(final_variance(), W));
    r.out_bias = &t.add(p + "linear_out.bias", {D}, Init::zeros());
    return r;
  }

  LocalAttention declare_attention(WeightTable& t, const std::string& p) const {
    const int64_t D = c_.d_model, KV = c_.kv_heads * c_.head_dim(), Q = c_.heads * c_.head_dim();
    LocalAttention a{};
    a.q = &t.add_matrix(p + "q_proj.weight", {Q, D}, normal_fan_in(1, D));
    a.k = &t.add_matrix(p + "k_proj.weight", {KV, D}, normal_fan_in(1, D));
    a.v = &t.add_matrix(p + "v_proj.weight", {KV, D}, normal_fan_in(1, D));
    a.o = &t.add_matrix(p + "o_proj.weight", {D, Q}, normal_fan_in(final_variance(), D));
    a.o_bias = &t.add(p + "o_proj.bias", {D}, Init::zeros());
    if (!c_.attention_bias) return a;
    a.q_bias = &t.add(p + "q_proj.bias", {Q}, Init::zeros());
    a.k_bias = &t.add(p + "k_proj.bias", {KV}, Init::zeros());
    a.v_bias = &t.add(p + "v_proj.bias", {KV}, Init::zeros());
    return a;
  }

  Var norm(Ctx& c, const Weight* w, Var x) const {
    NormOptions options;
    options.eps = c_.norm_eps;
    options.one_plus = true;
    return ops::norm(c, options, w, nullptr, x);
  }

  Var mix_recurrent(Ctx& c, const Recurrent& w, Var u) const {
    const Var y = ops::activation(c, c_.act, ops::linear(c, *w.y, w.y_bias, u));                               // [T, W]
    const Var x = c.tap("v", ops::causal_conv1d(c, *w.conv, w.conv_bias, ops::linear(c, *w.x, w.x_bias, u)));  // [T, W]
    const Var i =
        ops::decay_map(c, DecayMap::kSigmoid, ops::block_linear(c, *w.i_weight, w.i_bias, x), nullptr);  // [T, W]
    const Var r =
        ops::decay_map(c, DecayMap::kSigmoid, ops::block_linear(c, *w.r_weight, w.r_bias, x), nullptr);  // [T, W]
    const Var g = c.tap("g", ops::decay_rate(c, RateMap::kNegSoftplus, r, *w.a_param, 8));               // [T, W] log a
    const Var write = ops::modulate(c, i, ops::decay_map(c, DecayMap::kSqrtOneMinusExp2, g, nullptr));   // [T, W]
    const Var h = ops::glr(c, GlrChannel{.v = x, .g = g, .w = c.tap("write", write)});                   // [T, W]
    return ops::linear(c, *w.out, w.out_bias, ops::gate(c, h, y));                                       // [T, d_model]
  }

  Var mix_attention(Ctx& c, const LocalAttention& w, Var u) const {
    const int64_t d = c_.head_dim();
    const Var q = ops::rope(c, c_.rotary.of(c_.heads, d), ops::linear(c, *w.q, w.q_bias, u));     // [T, H*d]
    const Var k = ops::rope(c, c_.rotary.of(c_.kv_heads, d), ops::linear(c, *w.k, w.k_bias, u));  // [T, kv*d]
    Attention in{.heads = c_.heads,
                 .kv_heads = c_.kv_heads,
                 .q = c.tap("q", q),
                 .k = c.tap("k", k),
                 .v = c.tap("v", ops::linear(c, *w.v, w.v_bias, u))};
    in.scale = 1 / std::sqrt(static_cast<double>(d));
    in.window = c_.window;
    return ops::linear(c, *w.o, w.o_bias, ops::softmax_attention(c, in));  // [T, d_model]
  }

  Config source_;
  GriffinConfig c_;
  std::vector<GriffinLayer> layers_;
  Weight *embeddings_ = nullptr, *final_norm_ = nullptr, *head_ = nullptr;
};

GriffinConfig read_griffin(const Config& c) {
  constexpr int64_t kMaxDim = int64_t{1} << 24;
  GriffinConfig g;
  g.d_model = c.integer("hidden_size", 1, kMaxDim, 2560);
  g.n_layer = c.integer("num_hidden_layers", 0, 10000, 26);
  g.vocab_size = c.integer("vocab_size", 1, kMaxDim, 256000);
  g.d_ffn = c.integer("intermediate_size", 2, kMaxDim, 3 * 2560) / 2;
  g.heads = c.integer("num_attention_heads", 1, 65536, 10);
  g.kv_heads = c.integer("num_key_value_heads", 1, g.heads, g.heads);
  g.lru_width = c.integer("lru_width", 1, kMaxDim, g.d_model);
  g.d_conv = c.integer("conv1d_width", 1, 64, 4);
  g.window = c.integer("attention_window_size", 1, int64_t{1} << 40, 2048);
  check(g.d_model % g.heads == 0 && g.lru_width % g.heads == 0 && g.heads % g.kv_heads == 0, ErrorCode::kData,
        "[{}] expected {} to divide hidden_size {} and lru_width {}", c.label(), counted(g.heads, "head"), g.d_model,
        g.lru_width);
  check(c.integer("head_dim", 1, kMaxDim, g.head_dim()) == g.head_dim(), ErrorCode::kData,
        "[{}] expected \"head_dim\" {}, found another", c.label(), g.head_dim());
  check(c.flag("embeddings_scale_by_sqrt_dim", true), ErrorCode::kData,
        "[{}] expected \"embeddings_scale_by_sqrt_dim\" true, found false", c.label());
  g.act = nn::read_act(c, "hidden_activation", "gelu_pytorch_tanh");
  g.rotary = nn::read_rotary(c, g.head_dim(), {.default_partial = 0.5});
  check(g.rotary.scale == nullptr, ErrorCode::kData, "[{}] expected plain rotary positions, found scaled ones",
        c.label());
  g.pattern = c.texts("block_types");
  if (g.pattern.empty()) g.pattern = {"recurrent", "recurrent", "attention"};
  for (const std::string& kind : g.pattern) {
    check(kind == "recurrent" || kind == "attention", ErrorCode::kData,
          "[{}] expected \"block_types\" recurrent or attention, found \"{}\"", c.label(), kind.substr(0, 60));
  }
  g.norm_eps = c.real("rms_norm_eps", 0, 1, 1e-6);
  g.soft_cap = c.real("logits_soft_cap", 1e-6, 1e30, 30);
  g.attention_bias = c.flag("attention_bias", false);
  g.tie_embeddings = c.flag("tie_word_embeddings", true);
  return g;
}

}  // namespace

std::unique_ptr<Architecture> make_recurrent_gemma(const Config& c) {
  return std::make_unique<RecurrentGemma>(c, read_griffin(c));
}

Config recurrent_gemma_preset(const PresetSizes& sizes) {
  Config c("preset recurrent_gemma");
  c.set("model_type", std::string("recurrent_gemma"));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("intermediate_size", 6 * sizes.d_model);
  c.set("num_attention_heads", std::max<int64_t>(1, sizes.d_model / 64));
  c.set("num_key_value_heads", int64_t{1});
  return c;
}

}  // namespace hindscan
