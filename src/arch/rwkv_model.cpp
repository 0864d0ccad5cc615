#include "arch/rwkv_model.h"

#include <algorithm>
#include <cmath>

#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "core/ops/norm.h"
#include "core/ops/token_mix.h"

namespace hindscan::rwkv {

constexpr int64_t kMaxDim = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 10000;

BaseConfig read_base(const Config& c, double ffn_ratio) {
  const bool fla = c.has("norm_eps") || c.has("attn_mode");  // what is left out is then as its classes have it
  BaseConfig b;
  b.d_model = c.integer("hidden_size", 1, kMaxDim, fla ? 2048 : 4096);
  b.n_layer = c.integer("num_hidden_layers", 0, kMaxLayers, fla ? 24 : 32);
  b.vocab_size = c.integer("vocab_size", 1, kMaxDim, fla ? 32000 : 50277);
  b.d_att = c.integer("attention_hidden_size", 1, kMaxDim, b.d_model);
  const int64_t d_ffn = c.share("hidden_ratio", b.d_model, ffn_ratio, 0, kMaxDim);
  // Whole 32s: RWKV-LM rounds down, fla up.
  const int64_t rounded = fla ? (d_ffn + 31) / 32 * 32 : d_ffn >= 32 ? d_ffn / 32 * 32 : d_ffn;
  b.d_ffn = c.integer("intermediate_size", 1, kMaxDim, std::max<int64_t>(rounded, 1));
  b.head_size = c.integer("head_size", 1, 4096, c.integer("head_dim", 1, 4096, 64));
  b.norm_eps = c.real("layer_norm_epsilon", 0, 1, c.real("norm_eps", 0, 1, 1e-5));
  b.out_norm_eps = fla ? b.norm_eps : 1e-5;
  b.embedding_norm = c.flag("embedding_norm", c.flag("norm_first", true));
  b.head_bias = c.flag("head_bias", false);
  b.layer_constant = c.flag("layer_constant", false);
  b.tie_embeddings = c.flag("tie_word_embeddings", false);
  const std::string act = c.text("hidden_act", "sqrelu");
  check(act == "sqrelu" || act == "relu2", ErrorCode::kData, "[{}] expected \"hidden_act\" sqrelu, found \"{}\"",
        c.label(), act.substr(0, 60));
  check(!c.has("attn"), ErrorCode::kData, "[{}] expected layers of one kind, found \"attn\"", c.label());
  return b;
}

BaseConfig read_heads(const Config& c, double ffn_ratio) {
  BaseConfig b = read_base(c, ffn_ratio);
  b.time_state = c.flag("time_state", false);
  check(c.integer("num_heads", 1, kMaxDim, b.heads()) == b.heads(), ErrorCode::kData,
        "[{}] expected \"num_heads\" {} of {} channels, found {}", c.label(), b.heads(), b.head_size,
        c.integer("num_heads", 1, kMaxDim, b.heads()));
  check(b.d_att % b.head_size == 0, ErrorCode::kData, "[{}] expected heads of \"head_size\" {} to fill {} channels",
        c.label(), b.head_size, b.d_att);
  return b;
}

void write_base(const BaseConfig& b, const std::string& type, Config& out) {
  out.set("model_type", type);
  out.set("hidden_size", b.d_model);
  out.set("num_hidden_layers", b.n_layer);
  out.set("vocab_size", b.vocab_size);
  out.set("attention_hidden_size", b.d_att);
  out.set("intermediate_size", b.d_ffn);
  out.set(b.out_norm_eps == b.norm_eps && b.norm_eps != 1e-5 ? "norm_eps" : "layer_norm_epsilon", b.norm_eps);
  out.set("tie_word_embeddings", b.tie_embeddings);
  if (!b.embedding_norm) out.set("embedding_norm", false);
  if (b.head_bias) out.set("head_bias", true);
  if (b.layer_constant) out.set("layer_constant", true);
  if (b.time_state) out.set("time_state", true);
}

Config preset(const std::string& type, const PresetSizes& sizes) {
  Config c("preset " + type);
  c.set("model_type", type);
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  int64_t head_size = 64;  // the published one, where it fits
  while (sizes.d_model % head_size != 0) head_size /= 2;
  if (type != "rwkv") c.set("head_size", head_size);
  return c;
}

Weight& Model::add(WeightTable& t, const std::string& name, std::vector<int64_t> shape, Init init) const {
  std::vector<std::string> known = names(name);
  Weight& w = t.add(known.front(), std::move(shape), std::move(init));
  known.erase(known.begin());
  std::erase(known, w.name);
  w.aliases = std::move(known);
  return w;
}

Weight& Model::add_matrix(WeightTable& t, const std::string& name, int64_t out, int64_t in, Init init) const {
  Weight& w = add(t, name, {out, in}, std::move(init));
  w.matrix = true;
  w.weight_decay = true;
  return w;
}

Model::LayerNorm Model::add_norm(WeightTable& t, const std::string& name, int64_t channels, Init init) const {
  return {&add(t, name + ".weight", {channels}, std::move(init)), &add(t, name + ".bias", {channels}, Init::zeros())};
}

const Weight* Model::add_time_state(WeightTable& t, const std::string& prefix, int64_t K) const {
  if (!base_.time_state) return nullptr;
  return &add(t, prefix + "time_state", {base_.heads(), base_.head_size, K}, Init::zeros());
}

Var Model::layer_norm(Ctx& c, const LayerNorm& w, Var x, double eps) const {
  NormOptions options;
  options.kind = NormOptions::Kind::kLayer;
  options.eps = eps;
  return ops::norm(c, options, w.weight, w.bias, x);
}

Var Model::head_norm(Ctx& c, const LayerNorm& w, Var x, double eps) const {
  NormOptions options;
  options.kind = NormOptions::Kind::kLayer;
  options.eps = eps;
  options.groups = base_.heads();
  return ops::norm(c, options, w.weight, w.bias, x);
}

Var Model::mixed(Ctx& c, Var x, Var previous, const Weight* mu, Var delta) const {
  return ops::mix(c, x, previous, *mu, delta, mix_is_own_share());
}

void Model::declare(WeightTable& t) {
  embeddings_ = &add_matrix(t, "emb.weight", base_.vocab_size, base_.d_model, Init::uniform(1e-4));
  for (int64_t l = 0; l < base_.n_layer; ++l) {
    const std::string p = fmt::format("blocks.{}.", l);
    const Depth depth{l, base_.n_layer};
    if (l == 0 && base_.embedding_norm) ln0_ = add_norm(t, p + "ln0", base_.d_model, Init::ones());
    Block b;
    b.ln1 = add_norm(t, p + "ln1", base_.d_model, Init::ones());
    b.ln2 = add_norm(t, p + "ln2", base_.d_model, Init::ones());
    declare_time_mix(t, p + "att.", depth);
    b.ffn = declare_channel_mix(t, p + "ffn.", depth);
    if (base_.layer_constant) b.constant = &add(t, p + "constant", {base_.d_model}, Init::zeros());
    blocks_.push_back(b);
  }
  ln_out_ = add_norm(t, "ln_out", base_.d_model, Init::ones());
  const double ratio = static_cast<double>(base_.vocab_size) / static_cast<double>(base_.d_model);
  head_ = base_.tie_embeddings ? embeddings_
                               : &add_matrix(t, "head.weight", base_.vocab_size, base_.d_model,
                                             Init::orthogonal(0.5 * std::sqrt(std::max(ratio, 1.0))));
  if (base_.tie_embeddings) {
    for (const std::string& name : names("head.weight")) embeddings_->aliases.push_back(name);
  }
  if (base_.head_bias) head_bias_ = &add(t, "head.bias", {base_.vocab_size}, Init::zeros());
}

LogitHead Model::logit_head() const {
  LogitHead out(*head_);
  out.bias = head_bias_;
  return out;
}

Var Model::channel_mix(Ctx& c, const ChannelMix& w, Var x) const {
  const Var previous = ops::token_shift(c, x);                                                   // [T, d_model]
  const Var k = ops::linear(c, *w.key, nullptr, mixed(c, x, previous, w.mix_k));                 // [T, d_ffn]
  const Var y = ops::linear(c, *w.value, nullptr, ops::activation(c, kernels::Act::kRelu2, k));  // [T, d_model]
  if (w.receptance == nullptr) return y;
  const Var r = ops::linear(c, *w.receptance, nullptr, mixed(c, x, previous, w.mix_r));  // [T, d_model]
  return ops::gate(c, y, ops::activation(c, kernels::Act::kSigmoid, r));                 // [T, d_model]
}

Var Model::forward(Ctx& ctx) const {
  Var h = ops::embedding(ctx, *embeddings_);                                 // [T, d_model]
  if (ln0_.weight != nullptr) h = layer_norm(ctx, ln0_, h, base_.norm_eps);  // [T, d_model]
  const std::vector<Var> shared = forward_shared(ctx, h);
  for (int64_t l = 0; l < base_.n_layer; ++l) {
    const Block& w = blocks_[static_cast<size_t>(l)];
    h = ctx.block(static_cast<int>(l), h, shared, [this, &w, l, shared](Ctx& c, Var x) {
      const Var u = layer_norm(c, w.ln1, x, base_.norm_eps);  // [T, d_model]
      const Var a =
          ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) { return time_mix(m, l, in, shared); }));  // [T, d_model]
      return ops::add(c, a, channel_mix(c, w.ffn, layer_norm(c, w.ln2, a, base_.norm_eps)));       // [T, d_model]
    });
  }
  return layer_norm(ctx, ln_out_, h, base_.out_norm_eps);  // [T, d_model]
}

ArchitectureSizes Model::sizes() const {
  const MixerSizes m = mixer_sizes();
  ArchitectureSizes s;
  s.vocab_size = base_.vocab_size;
  s.d_model = base_.d_model;
  s.n_layer = base_.n_layer;
  s.attention_maps = base_.n_layer * m.maps;
  s.state_numbers = base_.n_layer * (m.state + 2 * base_.d_model);  // and the last token of both mixes
  s.tuned_start = base_.time_state;
  return s;
}

std::vector<KeyNote> Model::unused_keys() const {
  std::vector<KeyNote> out = {{"context_length", "no table of positions limits the length"},
                              {"ctx_len", "no table of positions limits the length"},
                              {"rescale_every", "guards float16 against overflow; everything here is float32"}};
  out.insert(out.end(), fla_keys().begin(), fla_keys().end());
  return out;
}

int64_t Model::flops_per_token() const {
  const bool gated = !blocks_.empty() && blocks_[0].ffn.receptance != nullptr;
  const int64_t ffn = 4 * base_.d_model * base_.d_ffn + (gated ? 2 * base_.d_model * base_.d_model : 0);
  return base_.n_layer * (mixer_sizes().flops + ffn) + 2 * base_.vocab_size * base_.d_model;
}

}  // namespace hindscan::rwkv
