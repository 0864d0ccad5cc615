// Mamba-2 / SSD (arXiv 2405.21060): per head S_t = exp(dt_t A) S_{t-1} + dt_t B_t x_t^T, y_t = C_t^T S_t + D x_t, then
// a gated RMS norm. Weight names of mamba2-*-hf; state-spaces/mamba2-* differs in "embedding". Maths and names:
// mamba_ssm's mamba2.py.
#include <algorithm>
#include <cmath>
#include <limits>

#include "arch/architecture.h"
#include "arch/mamba_ssm.h"
#include "arch/mixer.h"
#include "base/counted.h"
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

struct Mamba2Config {
  int64_t d_model, n_layer, vocab_size, d_inner, d_ssm, d_state, d_conv, n_groups, head_dim;
  int64_t norm_groups;  // the gated norm's: n_groups, or 1 as Hugging Face had it before its kernels were right
  bool use_bias, use_conv_bias, tie_embeddings, norm, norm_before_gate, D_per_channel;
  kernels::Act act;  // after the convolution; gates are silu
  double norm_eps, gated_norm_eps, dt_low, dt_high;
  MambaSsm stack;  // of mamba_ssm: what its layers hold besides Mamba-2
  int64_t heads() const { return d_ssm / head_dim; }
  int64_t d_mlp() const { return d_inner - d_ssm; }
  int64_t d_xbc() const { return d_ssm + 2 * n_groups * d_state; }
};

struct Mamba2Layer {
  Weight *in_proj, *in_bias = nullptr, *conv1d, *conv_bias = nullptr, *dt_bias, *A_log, *D, *gated_norm = nullptr,
                   *out_proj, *out_bias = nullptr;
};

class Mamba2 final : public Architecture, public Mixer {
 public:
  Mamba2(const Config& source, Mamba2Config c)
      : source_(source), c_(std::move(c)), around_(c_.stack, source, c_.norm_eps) {}

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("backbone.embeddings.weight", {c_.vocab_size, c_.d_model}, Init::normal(0.02));
    embeddings_->aliases = {"backbone.embedding.weight"};
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      if (around_.attends(l)) layers_.emplace_back();
      around_.declare(t, l, [&](const std::string& prefix) { declare_mixer(t, prefix, l); });
    }
    norm_f_ = &t.add("backbone.norm_f.weight", {c_.d_model}, Init::ones());
    head_ = embeddings_;
    if (c_.tie_embeddings)
      embeddings_->aliases.push_back("lm_head.weight");
    else
      head_ = &t.add_matrix("lm_head.weight", {c_.vocab_size, c_.d_model}, Init::normal(0.02));
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
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    std::vector<KeyNote> out = is_mamba_ssm(source_) ? mamba_keys() : hf_mamba_keys();
    if (!is_mamba_ssm(source_)) out.push_back({"intermediate_size", "hidden_size times expand"});
    out.push_back({"time_step_rank", "Mamba-2 has no low-rank step"});
    return out;
  }
  ArchitectureSizes sizes() const override {
    const int64_t mamba = around_.mixers();
    return {c_.vocab_size,
            c_.d_model,
            c_.n_layer,
            mamba * c_.heads() + around_.maps(),
            mamba * mixer_sizes().state + around_.state_numbers(),
            around_.cache_per_token()};
  }
  int64_t flops_per_token() const override {
    return around_.mixers() * mixer_sizes().flops + around_.flops() + 2 * c_.vocab_size * c_.d_model;
  }

  void declare_mixer(WeightTable& t, const std::string& m, int64_t) override {
    const auto bound = [](int64_t fan_in) { return 1.0 / std::sqrt(static_cast<double>(fan_in)); };
    const int64_t H = c_.heads(), rows = 2 * c_.d_mlp() + c_.d_ssm + c_.d_xbc() + H;
    Mamba2Layer w;
    w.in_proj = &t.add_matrix(m + "in_proj.weight", {rows, c_.d_model}, Init::uniform(bound(c_.d_model)));
    if (c_.use_bias) w.in_bias = &t.add(m + "in_proj.bias", {rows}, Init::zeros());
    w.conv1d = &t.add(m + "conv1d.weight", {c_.d_xbc(), 1, c_.d_conv}, Init::uniform(bound(c_.d_conv)));
    w.conv1d->weight_decay = true;
    if (c_.use_conv_bias) w.conv_bias = &t.add(m + "conv1d.bias", {c_.d_xbc()}, Init::zeros());
    w.dt_bias = &t.add(m + "dt_bias", {H}, Init::inv_softplus_dt(0.001, 0.1, 1e-4));
    w.A_log = &t.add(m + "A_log", {H}, Init::log_uniform(1, 16));
    w.D = &t.add(m + "D", {c_.D_per_channel ? c_.d_ssm : H}, Init::ones());
    if (c_.norm) w.gated_norm = &t.add(m + "norm.weight", {c_.d_ssm}, Init::ones());
    w.out_proj = &t.add_matrix(
        m + "out_proj.weight", {c_.d_model, c_.d_inner},
        Init::uniform(bound(c_.d_inner) / std::sqrt(static_cast<double>(std::max<int64_t>(1, c_.n_layer)))));
    if (c_.use_bias) w.out_bias = &t.add(m + "out_proj.bias", {c_.d_model}, Init::zeros());
    layers_.push_back(w);
  }

  // Rows of in_proj: [z0 | x0 |] z | x B C | dt.
  Var mix(Ctx& c, int64_t index, Var u) const override {
    using kernels::Act;
    const Mamba2Layer& w = layers_[static_cast<size_t>(index)];
    const int64_t mlp = c_.d_mlp(), H = c_.heads(), GN = c_.n_groups * c_.d_state;
    const auto rows = [&](int64_t first, int64_t count) {
      return ops::linear_rows(c, *w.in_proj, w.in_bias, u, first, count);
    };
    const Var z = rows(2 * mlp, c_.d_ssm);           // [T, d_ssm]
    Var xbc = rows(2 * mlp + c_.d_ssm, c_.d_xbc());  // [T, d_ssm + 2 G N]
    xbc = ops::activation(c, c_.act, ops::causal_conv1d(c, *w.conv1d, w.conv_bias, xbc));
    const Var dt =
        ops::decay(c, rows(2 * mlp + c_.d_ssm + c_.d_xbc(), H), *w.dt_bias, c_.dt_low, c_.dt_high);  // [T, H]
    const Var x = c.tap("v", ops::split(c, xbc, 0, c_.d_ssm));                                       // [T, d_ssm]
    GlrHeads in{.heads = H,
                .groups = c_.n_groups,
                .K = c_.d_state,
                .V = c_.head_dim,
                .q = c.tap("q", ops::split(c, xbc, c_.d_ssm + GN, GN)),
                .k = c.tap("k", ops::split(c, xbc, c_.d_ssm, GN)),
                .v = x};
    in.g = c.tap("g", ops::decay_rate(c, RateMap::kNegExp, dt, *w.A_log));  // [T, H]
    in.s = c.tap("dt", dt);
    Var y = gated(c, w, ops::skip(c, *w.D, ops::glr(c, in), x), ops::activation(c, Act::kSilu, z));  // [T, d_ssm]
    if (mlp > 0) {
      const Var parts[] = {ops::gate(c, ops::beside(c, rows(mlp, mlp)), ops::activation(c, Act::kSilu, rows(0, mlp))),
                           y};
      y = ops::concat(c, parts);  // [T, d_inner]
    }
    return ops::linear(c, *w.out_proj, w.out_bias, y);  // [T, d_model]
  }

  Sizes mixer_sizes() const override {
    const int64_t projections =
        c_.d_model * (2 * c_.d_inner + 2 * c_.n_groups * c_.d_state + c_.heads()) + c_.d_inner * c_.d_model;
    const int64_t flops = 2 * (projections + 3 * c_.d_ssm * c_.d_state + c_.d_conv * c_.d_xbc());
    return {c_.heads(), c_.d_ssm * c_.d_state + (c_.d_conv - 1) * c_.d_xbc(), flops};
  }

 private:
  Var gated(Ctx& c, const Mamba2Layer& w, Var y, Var gate) const {
    if (w.gated_norm == nullptr) return ops::gate(c, y, gate);
    NormOptions norm;
    norm.eps = c_.gated_norm_eps;
    norm.groups = c_.norm_groups;
    if (c_.norm_before_gate) return ops::gate(c, ops::norm(c, norm, w.gated_norm, nullptr, y), gate);
    return ops::norm(c, norm, w.gated_norm, nullptr, ops::gate(c, y, gate));
  }

  Config source_;
  Mamba2Config c_;
  MambaSsmLayers around_;
  std::vector<Mamba2Layer> layers_;
  Weight *embeddings_ = nullptr, *norm_f_ = nullptr, *head_ = nullptr;
};

constexpr int64_t kMaxDim = int64_t{1} << 24;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void read_limits(const Config& c, const char* key, Mamba2Config& m) {
  const std::vector<double> limits = c.reals(key);
  check(limits.empty() || (limits.size() == 2 && limits[0] <= limits[1]), ErrorCode::kData,
        "[{}] expected \"{}\" to be two numbers, the smaller first", c.label(), key);
  m.dt_low = limits.empty() ? 0 : limits[0];
  m.dt_high = limits.empty() ? kInfinity : limits[1];
}

void check_sizes(const Config& c, const Mamba2Config& m) {
  check(m.d_ssm % m.head_dim == 0 && m.heads() > 0 && m.heads() % m.n_groups == 0 && m.d_ssm <= m.d_inner &&
            m.d_ssm % m.norm_groups == 0,
        ErrorCode::kData, "[{}] expected heads of {} in {} that divide into {}, found {}", c.label(),
        counted(m.head_dim, "channel"), m.d_ssm, counted(m.n_groups, "group"), counted(m.heads(), "head"));
}

Mamba2Config read_hf(const Config& c) {
  Mamba2Config m{};
  m.d_model = c.integer("hidden_size", 1, kMaxDim, 4096);
  m.n_layer = c.integer("num_hidden_layers", 0, 10000, 64);
  m.vocab_size = c.integer("vocab_size", 1, kMaxDim, 32768);
  m.d_inner = m.d_ssm = c.share("expand", m.d_model, 2, 1, kMaxDim);
  m.head_dim = c.integer("head_dim", 1, 65536, 64);
  m.d_state = c.integer("state_size", 1, 65536, 128);
  m.d_conv = c.integer("conv_kernel", 1, 64, 4);
  m.n_groups = c.integer("n_groups", 1, 65536, 8);
  m.norm_groups = c.flag("grouped_norm", true) ? m.n_groups : 1;
  m.use_bias = c.flag("use_bias", false);
  m.use_conv_bias = c.flag("use_conv_bias", true);
  m.tie_embeddings = c.flag("tie_word_embeddings", false);
  m.norm = true;
  m.act = nn::read_act(c, "hidden_act", "silu");
  m.norm_eps = m.gated_norm_eps = c.real("layer_norm_epsilon", 0, 1, 1e-5);
  read_limits(c, "time_step_limit", m);
  check_sizes(c, m);
  m.stack = {.d_model = m.d_model, .n_layer = m.n_layer, .vocab_size = m.vocab_size};
  check(c.integer("num_heads", 1, kMaxDim, m.heads()) == m.heads(), ErrorCode::kData,
        "[{}] expected \"num_heads\" {}, found {}", c.label(), m.heads(),
        c.integer("num_heads", 1, kMaxDim, m.heads()));
  return m;
}

Mamba2Config read_mamba_ssm(const Config& c) {
  const MambaSsm s = read_mamba_ssm_stack(c, "Mamba2");
  Mamba2Config m{};
  m.d_model = s.d_model;
  m.n_layer = s.n_layer;
  m.vocab_size = s.vocab_size;
  m.d_inner = c.share("ssm_cfg.expand", m.d_model, 2, 1, kMaxDim);
  m.d_ssm = c.integer("ssm_cfg.d_ssm", 1, kMaxDim, m.d_inner);
  m.head_dim = c.integer("ssm_cfg.headdim", 1, 65536, 64);
  m.d_state = c.integer("ssm_cfg.d_state", 1, 65536, 128);
  m.d_conv = c.integer("ssm_cfg.d_conv", 1, 64, 4);
  m.n_groups = m.norm_groups = c.integer("ssm_cfg.ngroups", 1, 65536, 1);
  m.use_bias = c.flag("ssm_cfg.bias", false);
  m.use_conv_bias = c.flag("ssm_cfg.conv_bias", true);
  m.tie_embeddings = s.tie_embeddings;
  m.act = kernels::Act::kSilu;
  m.norm = c.flag("ssm_cfg.rmsnorm", true);
  m.norm_before_gate = c.flag("ssm_cfg.norm_before_gate", false);
  m.D_per_channel = c.flag("ssm_cfg.D_has_hdim", false);
  m.norm_eps = m.gated_norm_eps = kMambaSsmEps;
  read_limits(c, "ssm_cfg.dt_limit", m);
  check_sizes(c, m);
  m.stack = s;
  return m;
}

}  // namespace

bool is_mamba2_ssm_config(const Config& c) {
  return c.has("d_model") && c.has("n_layer") && c.text("ssm_cfg.layer", "") == "Mamba2";
}

std::unique_ptr<Architecture> make_mamba2(const Config& c) {
  return std::make_unique<Mamba2>(c, is_mamba_ssm(c) ? read_mamba_ssm(c) : read_hf(c));
}

Config mamba2_preset(const PresetSizes& sizes) {
  Config c("preset mamba2");
  c.set("model_type", std::string("mamba2"));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("expand", int64_t{2});
  c.set("head_dim", std::min<int64_t>(64, sizes.d_model));
  c.set("num_heads", 2 * sizes.d_model / std::min<int64_t>(64, sizes.d_model));
  c.set("state_size", int64_t{64});
  c.set("n_groups", int64_t{1});
  c.set("grouped_norm", true);
  c.set("tie_word_embeddings", true);
  return c;
}

}  // namespace hindscan
