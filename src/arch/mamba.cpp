// Mamba-1 (arXiv 2312.00752) and FalconMamba (weightless RMS norms on dt, B, C). Weight names are those of
// state-spaces/mamba-*-hf; state-spaces/mamba-* differs in "embedding". Maths and names: mamba_simple.py.
#include <cmath>

#include "arch/architecture.h"
#include "arch/mamba_ssm.h"
#include "arch/mixer.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/skip.h"
#include "nn/parts.h"

namespace hindscan {

namespace {

struct MambaConfig {
  int64_t d_model, n_layer, vocab_size, d_inner, d_state, d_conv, dt_rank;
  bool use_bias, use_conv_bias, tie_embeddings;
  bool hf = true;    // the configuration's keys are Hugging Face's
  kernels::Act act;  // after the convolution; the gate is silu
  double norm_eps;
  double mixer_norm_eps;  // < 0: no norms on dt, B, C
  MambaSsm stack;         // of mamba_ssm: what its layers hold besides Mamba
};

struct MambaLayer {
  Weight *in_proj, *in_bias = nullptr, *conv1d, *conv_bias = nullptr, *x_proj, *dt_proj, *dt_bias, *A_log, *D,
                   *out_proj, *out_bias = nullptr;
};

class Mamba final : public Architecture, public Mixer {
 public:
  Mamba(const Config& source, MambaConfig c, std::string type, std::string act)
      : source_(source),
        c_(std::move(c)),
        around_(c_.stack, source, c_.norm_eps),
        type_(std::move(type)),
        act_(std::move(act)) {}

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("backbone.embeddings.weight", {c_.vocab_size, c_.d_model}, Init::normal(0.02));
    embeddings_->aliases = {"backbone.embedding.weight"};
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      if (around_.attends(l)) layers_.emplace_back();
      around_.declare(t, l, [&](const std::string& prefix) { declare_mixer(t, prefix, l); });
    }
    norm_f_ = &t.add("backbone.norm_f.weight", {c_.d_model}, Init::ones());
    head_ = embeddings_;
    if (c_.tie_embeddings) {
      embeddings_->aliases.push_back("lm_head.weight");
    } else {
      head_ = &t.add_matrix("lm_head.weight", {c_.vocab_size, c_.d_model}, Init::normal(0.02));
    }
  }

  Var forward(Ctx& ctx) const override {
    Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      h = around_.run(
          ctx, l, [this, l](Ctx& c, Var u) { return mix(c, l, u); }, h);  // [T, d_model]
    }
    return ops::rmsnorm(ctx, norm_f_, h, c_.norm_eps);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }

  ArchitectureSizes sizes() const override {
    const int64_t mamba = around_.mixers();
    return {c_.vocab_size,
            c_.d_model,
            c_.n_layer,
            mamba * c_.d_inner + around_.maps(),
            mamba * mixer_sizes().state + around_.state_numbers(),
            around_.cache_per_token()};
  }

  int64_t flops_per_token() const override {
    return around_.mixers() * mixer_sizes().flops + around_.flops() + 2 * c_.vocab_size * c_.d_model;
  }

  Config hf_config() const override {
    if (!around_.plain()) return source_;  // Hugging Face has no such layers
    Config out;
    out.set("model_type", type_);
    out.set("hidden_size", c_.d_model);
    out.set("num_hidden_layers", c_.n_layer);
    out.set("vocab_size", c_.vocab_size);
    out.set("intermediate_size", c_.d_inner);
    out.set("expand", c_.d_inner / c_.d_model);
    out.set("state_size", c_.d_state);
    out.set("conv_kernel", c_.d_conv);
    out.set("time_step_rank", c_.dt_rank);
    out.set("use_bias", c_.use_bias);
    out.set("use_conv_bias", c_.use_conv_bias);
    out.set("tie_word_embeddings", c_.tie_embeddings);
    out.set("layer_norm_epsilon", c_.norm_eps);
    out.set("hidden_act", act_);
    out.set("residual_in_fp32", true);
    if (c_.mixer_norm_eps >= 0) out.set("mixer_rms_eps", c_.mixer_norm_eps);
    return out;
  }

  std::vector<KeyNote> unused_keys() const override {
    std::vector<KeyNote> out = c_.hf ? hf_mamba_keys() : mamba_keys();
    out.push_back({"expand", "used where intermediate_size is absent"});
    return out;
  }

  void declare_mixer(WeightTable& t, const std::string& m, int64_t) override {
    const double out_scale = 1.0 / std::sqrt(static_cast<double>(std::max<int64_t>(1, c_.n_layer)));
    const double bound_model = 1.0 / std::sqrt(static_cast<double>(c_.d_model));
    const double bound_inner = 1.0 / std::sqrt(static_cast<double>(c_.d_inner));
    MambaLayer w;
    w.in_proj = &t.add_matrix(m + "in_proj.weight", {2 * c_.d_inner, c_.d_model}, Init::uniform(bound_model));
    if (c_.use_bias) w.in_bias = &t.add(m + "in_proj.bias", {2 * c_.d_inner}, Init::zeros());
    w.conv1d = &t.add(m + "conv1d.weight", {c_.d_inner, 1, c_.d_conv},
                      Init::uniform(1.0 / std::sqrt(static_cast<double>(c_.d_conv))));
    w.conv1d->weight_decay = true;
    if (c_.use_conv_bias) w.conv_bias = &t.add(m + "conv1d.bias", {c_.d_inner}, Init::zeros());
    w.x_proj =
        &t.add_matrix(m + "x_proj.weight", {c_.dt_rank + 2 * c_.d_state, c_.d_inner}, Init::uniform(bound_inner));
    w.dt_proj = &t.add_matrix(m + "dt_proj.weight", {c_.d_inner, c_.dt_rank},
                              Init::uniform(1.0 / std::sqrt(static_cast<double>(c_.dt_rank))));
    w.dt_bias = &t.add(m + "dt_proj.bias", {c_.d_inner}, Init::inv_softplus_dt(0.001, 0.1, 1e-4));
    w.A_log = &t.add(m + "A_log", {c_.d_inner, c_.d_state}, Init::log_arange());
    w.D = &t.add(m + "D", {c_.d_inner}, Init::ones());
    w.out_proj = &t.add_matrix(m + "out_proj.weight", {c_.d_model, c_.d_inner}, Init::uniform(bound_inner * out_scale));
    if (c_.use_bias) w.out_bias = &t.add(m + "out_proj.bias", {c_.d_model}, Init::zeros());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t index, Var u) const override {
    const MambaLayer& w = layers_[static_cast<size_t>(index)];
    Var x = ops::linear_rows(c, *w.in_proj, w.in_bias, u, 0, c_.d_inner);                 // [T, d_inner]
    const Var z = ops::linear_rows(c, *w.in_proj, w.in_bias, u, c_.d_inner, c_.d_inner);  // [T, d_inner]
    x = ops::activation(c, c_.act, ops::causal_conv1d(c, *w.conv1d, w.conv_bias, x));     // [T, d_inner]
    x = c.tap("v", x);
    const Var p = ops::linear(c, *w.x_proj, nullptr, x);                          // [T, dt_rank + 2 d_state]
    const Var dt_r = coefficient_norm(c, ops::split(c, p, 0, c_.dt_rank));        // [T, dt_rank]
    const Var B = coefficient_norm(c, ops::split(c, p, c_.dt_rank, c_.d_state));  // [T, d_state]
    const Var C = coefficient_norm(c, ops::split(c, p, c_.dt_rank + c_.d_state, c_.d_state));          // [T, d_state]
    const Var dt = ops::decay(c, ops::linear(c, *w.dt_proj, nullptr, dt_r), *w.dt_bias);               // [T, d_inner]
    const Var y = ops::glr(c, {c.tap("q", C), c.tap("k", B), x, c.tap("dt", dt), w.A_log});            // [T, d_inner]
    const Var g = ops::gate(c, ops::skip(c, *w.D, y, x), ops::activation(c, kernels::Act::kSilu, z));  // [T, d_inner]
    return ops::linear(c, *w.out_proj, w.out_bias, g);                                                 // [T, d_model]
  }

  Sizes mixer_sizes() const override {
    const int64_t projections =
        3 * c_.d_model * c_.d_inner + c_.d_inner * (c_.dt_rank + 2 * c_.d_state) + c_.dt_rank * c_.d_inner;
    const int64_t scan = c_.d_inner * c_.d_state * 3 + c_.d_inner * c_.d_conv;
    return {c_.d_inner, c_.d_inner * (c_.d_state + c_.d_conv - 1), 2 * (projections + scan)};
  }

 private:
  // FalconMamba: RMS norm without a weight.
  Var coefficient_norm(Ctx& c, Var x) const {
    return c_.mixer_norm_eps < 0 ? x : ops::rmsnorm(c, nullptr, x, c_.mixer_norm_eps);
  }

  Config source_;
  MambaConfig c_;
  MambaSsmLayers around_;
  std::string type_, act_;
  std::vector<MambaLayer> layers_;
  Weight* embeddings_ = nullptr;
  Weight* norm_f_ = nullptr;
  Weight* head_ = nullptr;
};

constexpr int64_t kMaxDim = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 10000;

int64_t read_rank(const Config& c, const char* key, int64_t d_model) {
  if (!c.is_text(key)) return c.integer(key, 1, kMaxDim, (d_model + 15) / 16);
  check(c.text(key, "") == "auto", ErrorCode::kData, "[{}] expected \"{}\" to be a number or \"auto\", found \"{}\"",
        c.label(), key, c.text(key, "").substr(0, 60));
  return (d_model + 15) / 16;
}

MambaConfig read_hf(const Config& c, bool falcon) {
  MambaConfig m;
  m.d_model = c.integer("hidden_size", 1, kMaxDim, 768);
  m.n_layer = c.integer("num_hidden_layers", 0, kMaxLayers, 32);
  m.vocab_size = c.integer("vocab_size", 1, kMaxDim, 50280);
  m.d_inner = c.integer("intermediate_size", 1, kMaxDim, c.share("expand", m.d_model, 2, 1, kMaxDim));
  m.d_state = c.integer("state_size", 1, 256, 16);
  m.d_conv = c.integer("conv_kernel", 1, 64, 4);
  m.dt_rank = read_rank(c, "time_step_rank", m.d_model);
  m.use_bias = c.flag("use_bias", false);
  m.use_conv_bias = c.flag("use_conv_bias", true);
  m.tie_embeddings = c.flag("tie_word_embeddings", true);
  m.act = nn::read_act(c, "hidden_act", "silu");
  m.norm_eps = c.real("layer_norm_epsilon", 0, 1, 1e-5);
  m.mixer_norm_eps = falcon ? c.real("mixer_rms_eps", 0, 1, 1e-6) : -1;
  m.stack = {.d_model = m.d_model, .n_layer = m.n_layer, .vocab_size = m.vocab_size};
  return m;
}

MambaConfig read_mamba_ssm(const Config& c) {
  const MambaSsm s = read_mamba_ssm_stack(c, "Mamba1");
  MambaConfig m;
  m.d_model = s.d_model;
  m.n_layer = s.n_layer;
  m.vocab_size = s.vocab_size;
  m.d_inner = c.share("ssm_cfg.expand", m.d_model, 2, 1, kMaxDim);
  m.d_state = c.integer("ssm_cfg.d_state", 1, 256, 16);
  m.d_conv = c.integer("ssm_cfg.d_conv", 1, 64, 4);
  m.dt_rank = read_rank(c, "ssm_cfg.dt_rank", m.d_model);
  m.use_bias = c.flag("ssm_cfg.bias", false);
  m.use_conv_bias = c.flag("ssm_cfg.conv_bias", true);
  m.tie_embeddings = s.tie_embeddings;
  m.hf = false;
  m.act = kernels::Act::kSilu;
  m.norm_eps = kMambaSsmEps;
  m.mixer_norm_eps = -1;
  m.stack = s;
  return m;
}

}  // namespace

bool is_mamba_ssm_config(const Config& c) { return c.has("d_model") && c.has("n_layer"); }

std::unique_ptr<Architecture> make_mamba(const Config& c) {
  const bool mamba_ssm = is_mamba_ssm(c);
  return std::make_unique<Mamba>(c, mamba_ssm ? read_mamba_ssm(c) : read_hf(c, false), "mamba",
                                 c.text("hidden_act", "silu"));
}

std::unique_ptr<Architecture> make_falcon_mamba(const Config& c) {
  return std::make_unique<Mamba>(c, read_hf(c, true), "falcon_mamba", c.text("hidden_act", "silu"));
}

Config mamba_preset(const PresetSizes& sizes) {
  Config c("preset mamba");
  c.set("model_type", std::string("mamba"));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  return c;
}

Config falcon_mamba_preset(const PresetSizes& sizes) {
  Config c = mamba_preset(sizes);
  c.set("model_type", std::string("falcon_mamba"));
  return c;
}

}  // namespace hindscan
