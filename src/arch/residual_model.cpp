#include "arch/residual_model.h"

#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"

namespace hindscan {

ResidualConfig read_residual_config(const Config& c, int64_t hidden_ratio, int64_t n_layer) {
  constexpr int64_t kMaxDim = int64_t{1} << 24;
  ResidualConfig r;
  r.d_model = c.integer("hidden_size", 1, kMaxDim, 2048);
  r.n_layer = c.integer("num_hidden_layers", 0, 10000, n_layer);
  r.vocab_size = c.integer("vocab_size", 1, kMaxDim, 32000);
  const int64_t ratio = c.is_null("hidden_ratio") ? 4 : c.integer("hidden_ratio", 0, 1024, hidden_ratio);
  const int64_t rounded = (r.d_model * ratio * 2 / 3 + 255) / 256 * 256;
  r.d_ffn = c.integer("intermediate_size", 0, kMaxDim, rounded);
  r.tie_embeddings = c.flag("tie_word_embeddings", false);
  r.norm_eps = c.real("norm_eps", 0, 1, 1e-6);
  r.init_std = c.real("initializer_range", 0, 1e6, 0.02);
  const std::string act = c.text("hidden_act", "swish");
  check(act == "silu" || act == "swish", ErrorCode::kData, "[{}] expected \"hidden_act\" swish, found \"{}\"",
        c.label(), act.substr(0, 60));
  for (const char* key : {"attn", "attnres_block_size"})
    check(!c.has(key), ErrorCode::kData, "[{}] expected layers of one kind, found \"{}\"", c.label(), key);
  check(c.flag("elementwise_affine", true), ErrorCode::kData,
        "[{}] expected norms with weights, found \"elementwise_affine\" false", c.label());
  return r;
}

Config residual_preset(const std::string& model_type, const PresetSizes& sizes, int64_t hidden_ratio) {
  Config c("preset " + model_type);
  c.set("model_type", model_type);
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("intermediate_size", (sizes.d_model * hidden_ratio * 2 / 3 + 31) / 32 * 32);
  c.set("tie_word_embeddings", true);
  return c;
}

void ResidualModel::declare(WeightTable& t) {
  embeddings_ = &t.add_matrix("model.embeddings.weight", {base_.vocab_size, base_.d_model}, init());
  declare_shared(t);
  for (int64_t l = 0; l < base_.n_layer; ++l) {
    const std::string prefix = fmt::format("model.layers.{}.", l);
    Block b;
    b.mixer_norm = &t.add(prefix + "attn_norm.weight", {base_.d_model}, Init::ones());
    declare_mixer(t, prefix + "attn.", l);
    if (base_.d_ffn > 0) {
      b.mlp_norm = &t.add(prefix + "mlp_norm.weight", {base_.d_model}, Init::ones());
      b.mlp = nn::declare_gated_mlp(t, prefix + "mlp.", base_.d_model, base_.d_ffn, init(), init());
    }
    blocks_.push_back(b);
  }
  norm_ = &t.add("model.norm.weight", {base_.d_model}, Init::ones());
  head_ = embeddings_;
  if (base_.tie_embeddings)
    embeddings_->aliases.push_back("lm_head.weight");
  else
    head_ = &t.add_matrix("lm_head.weight", {base_.vocab_size, base_.d_model}, init());
}

Var ResidualModel::forward(Ctx& ctx) const {
  Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
  for (int64_t l = 0; l < base_.n_layer; ++l) {
    const Block& w = blocks_[static_cast<size_t>(l)];
    h = ctx.block(static_cast<int>(l), h, [&, l](Ctx& c, Var x) {
      const Var u = ops::rmsnorm(c, w.mixer_norm, x, base_.norm_eps);                           // [T, d_model]
      const Var y = ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) { return mix(m, l, in); }));  // [T, d_model]
      if (base_.d_ffn == 0) return y;
      return ops::add(c, y, nn::gated_mlp(c, w.mlp, ops::rmsnorm(c, w.mlp_norm, y, base_.norm_eps)));  // [T, d_model]
    });
  }
  return ops::rmsnorm(ctx, norm_, h, base_.norm_eps);  // [T, d_model]
}

ArchitectureSizes ResidualModel::sizes() const {
  const Sizes m = mixer_sizes();
  return {base_.vocab_size, base_.d_model, base_.n_layer, base_.n_layer * m.maps, base_.n_layer * m.state};
}

int64_t ResidualModel::flops_per_token() const {
  return base_.n_layer * (mixer_sizes().flops + nn::gated_mlp_flops(base_.d_model, base_.d_ffn)) +
         2 * base_.vocab_size * base_.d_model;
}

}  // namespace hindscan
