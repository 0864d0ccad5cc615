// Mamba-3 (arXiv 2603.15569): S_t = a_t (S_{t-1} + (1 - lam_t) dt_t k_{t-1} v_{t-1}^T) + lam_t dt_t k_t v_t^T
// (trapezoidal rule), with data-dependent A, rotary phases that accumulate over time, and rank R reads and writes
// (MIMO). Maths and names: mamba_ssm's mamba3.py, whose configurations it reads ("ssm_cfg": {"layer": "Mamba3", ...}).
#include <cmath>

#include "arch/architecture.h"
#include "arch/mamba_ssm.h"
#include "arch/mixer.h"
#include "base/counted.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/rotate.h"
#include "core/ops/scale.h"
#include "core/ops/skip.h"
#include "nn/parts.h"

namespace hindscan {

namespace {

struct Mamba3Config {
  int64_t d_model, n_layer, vocab_size, d_inner, d_state, n_groups, head_dim, ranks, angles;
  bool mimo, out_norm, pairwise, tie_embeddings;
  MambaSsm stack;
  int64_t heads() const { return d_inner / head_dim; }
  int64_t d_bc() const { return ranks * n_groups * d_state; }
  int64_t d_in_proj() const { return 2 * d_inner + 2 * d_bc() + 3 * heads() + angles; }
};

struct Mamba3Layer {
  Weight *in_proj, *dt_bias, *B_bias, *C_bias, *B_norm, *C_norm, *D, *out_proj;
  Weight *mimo_x = nullptr, *mimo_z = nullptr, *mimo_o = nullptr, *out_norm = nullptr;
};

class Mamba3 final : public Architecture, public Mixer {
 public:
  Mamba3(const Config& source, Mamba3Config c) : source_(source), c_(std::move(c)), around_(c_.stack, source, kEps) {}

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("backbone.embedding.weight", {c_.vocab_size, c_.d_model}, Init::normal(0.02));
    embeddings_->aliases = {"backbone.embeddings.weight"};
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
    return ops::rmsnorm(ctx, norm_f_, h, kEps);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override { return mamba_keys(); }
  ArchitectureSizes sizes() const override {
    const int64_t mamba = around_.mixers();
    return {c_.vocab_size,
            c_.d_model,
            c_.n_layer,
            mamba * mixer_sizes().maps + around_.maps(),
            mamba * mixer_sizes().state + around_.state_numbers(),
            around_.cache_per_token()};
  }
  int64_t flops_per_token() const override {
    return around_.mixers() * mixer_sizes().flops + around_.flops() + 2 * c_.vocab_size * c_.d_model;
  }

  void declare_mixer(WeightTable& t, const std::string& m, int64_t) override {
    const int64_t H = c_.heads(), R = c_.ranks, N = c_.d_state, P = c_.head_dim, D = c_.d_model;
    Mamba3Layer w{};
    w.in_proj = &t.add_matrix(m + "in_proj.weight", {c_.d_in_proj(), D}, linear_init(D, 1));
    w.dt_bias = &t.add(m + "dt_bias", {H}, Init::inv_softplus_dt(0.001, 0.1, 1e-4));
    w.B_bias = &t.add(m + "B_bias", {H, R, N}, Init::ones());
    w.C_bias = &t.add(m + "C_bias", {H, R, N}, Init::ones());
    w.B_norm = &t.add(m + "B_norm.weight", {N}, Init::ones());
    w.C_norm = &t.add(m + "C_norm.weight", {N}, Init::ones());
    if (c_.mimo) {
      w.mimo_x = &t.add(m + "mimo_x", {H, R, P}, Init::constant(1.0 / static_cast<double>(R)));
      w.mimo_z = &t.add(m + "mimo_z", {H, R, P}, Init::ones());
      w.mimo_o = &t.add(m + "mimo_o", {H, R, P}, Init::constant(1.0 / static_cast<double>(R)));
    }
    w.D = &t.add(m + "D", {H}, Init::ones());
    if (c_.out_norm) w.out_norm = &t.add(m + "norm.weight", {c_.d_inner}, Init::ones());
    w.out_proj = &t.add_matrix(m + "out_proj.weight", {D, c_.d_inner}, linear_init(c_.d_inner, residual_layers()));
    layers_.push_back(w);
  }

  // Rows of in_proj: z | x | B | C | dd_dt | dd_A | trap | angle.
  Var mix(Ctx& c, int64_t index, Var u) const override {
    const Mamba3Layer& w = layers_[static_cast<size_t>(index)];
    const int64_t H = c_.heads(), I = c_.d_inner, BC = c_.d_bc(), tail = 2 * I + 2 * BC;
    const auto rows = [&](int64_t first, int64_t count) {
      return ops::linear_rows(c, *w.in_proj, nullptr, u, first, count);
    };
    const Var dt = c.tap("dt", ops::decay(c, rows(tail, H), *w.dt_bias));                    // [T, H]
    const Var A = ops::decay_map(c, DecayMap::kNegHeavyTail, rows(tail + H, H), nullptr);    // [T, H] < 0
    const Var trap = rows(tail + 2 * H, H);                                                  // [T, H]
    const Var theta = ops::phase(c, rows(tail + 3 * H, c_.angles), dt, H);                   // [T, H*S]
    const Var x = rows(I, I);                                                                // [T, H*P]
    const Var v = c.tap("v", c_.mimo ? ops::rank_expand(c, *w.mimo_x, x, H, c_.ranks) : x);  // [T, R*H*P]
    GlrHeads in{.heads = H,
                .groups = H,
                .K = c_.d_state,
                .V = c_.head_dim,
                .ranks = c_.ranks,
                .q = c.tap("q", direction(c, rows(2 * I + BC, BC), *w.C_norm, *w.C_bias, theta)),
                .k = c.tap("k", direction(c, rows(2 * I, BC), *w.B_norm, *w.B_bias, theta)),
                .v = v};
    in.g = c.tap("g", ops::modulate(c, A, dt));  // [T, H]
    in.turned = {c_.angles, c_.pairwise};
    in.read = kernels::glr::Read::kDecayed;
    in.current = ops::modulate(c, ops::decay_map(c, DecayMap::kSigmoid, trap, nullptr), dt);  // [T, H] lam dt
    in.previous = ops::modulate(c, ops::decay_map(c, DecayMap::kSigmoid, ops::scale(c, -1, trap), nullptr),
                                dt);                                                            // [T, H] (1 - lam) dt
    return ops::linear(c, *w.out_proj, nullptr, finish(c, w, ops::glr(c, in), v, rows(0, I)));  // [T, d_model]
  }

  Sizes mixer_sizes() const override {
    const int64_t H = c_.heads(),
                  carried = H * (c_.angles + c_.d_state * c_.head_dim + c_.ranks * (c_.d_state + c_.head_dim));
    return {H, carried, 2 * (c_.d_model * (c_.d_in_proj() + c_.d_inner) + 3 * c_.ranks * c_.d_inner * c_.d_state)};
  }

 private:
  static constexpr double kEps = kMambaSsmEps;

  static Init linear_init(int64_t fan_in, int64_t residual_layers) {
    return Init::uniform(1.0 / std::sqrt(static_cast<double>(fan_in * std::max<int64_t>(1, residual_layers))));
  }
  int64_t residual_layers() const { return c_.n_layer * (c_.stack.d_mlp > 0 ? 2 : 1); }

  // B or C: norm per group, one copy a head, learned bias, turned by the phase.
  Var direction(Ctx& c, Var x, const Weight& norm, const Weight& bias, Var theta) const {
    const int64_t H = c_.heads(), R = c_.ranks;
    x = ops::norm(c, {NormOptions::Kind::kRms, kEps, R * c_.n_groups}, &norm, nullptr, x);  // [T, R*G*N]
    x = ops::head_broadcast(c, x, R * c_.n_groups, H / c_.n_groups);                        // [T, R*H*N]
    const std::vector<double> one(static_cast<size_t>(H * c_.d_state), 1.0);
    x = ops::add(c, x, ops::rank_expand(c, bias, ops::decay_constant(c, one), H, R));  // [T, R*H*N]
    const std::vector<Var> thetas(static_cast<size_t>(R), theta);
    return ops::rotate(c, x, R == 1 ? theta : ops::concat(c, thetas), R * H, c_.pairwise);  // [T, R*H*N]
  }

  // Skip, norm and gate for every rank, then the sum over ranks.
  Var finish(Ctx& c, const Mamba3Layer& w, Var y, Var v, Var z) const {
    const int64_t H = c_.heads(), I = c_.d_inner;
    const Var gates = ops::activation(c, kernels::Act::kSilu,
                                      c_.mimo ? ops::rank_expand(c, *w.mimo_z, z, H, c_.ranks) : z);  // [T, R*H*P]
    std::vector<Var> parts;
    for (int64_t r = 0; r < c_.ranks; ++r) {
      const auto rank = [&](Var a) { return c_.ranks == 1 ? a : ops::split(c, a, r * I, I); };
      Var part = ops::skip(c, *w.D, rank(y), rank(v));  // [T, H*P]
      if (c_.out_norm) part = ops::norm(c, {NormOptions::Kind::kRms, kEps, H}, w.out_norm, nullptr, part);
      parts.push_back(ops::gate(c, part, rank(gates)));
    }
    const Var all = parts.size() == 1 ? parts[0] : ops::concat(c, parts);     // [T, R*H*P]
    return c_.mimo ? ops::rank_reduce(c, *w.mimo_o, all, H, c_.ranks) : all;  // [T, H*P]
  }

  Config source_;
  Mamba3Config c_;
  MambaSsmLayers around_;
  std::vector<Mamba3Layer> layers_;
  Weight *embeddings_ = nullptr, *norm_f_ = nullptr, *head_ = nullptr;
};

Mamba3Config read_mamba3(const Config& c) {
  constexpr int64_t kMaxDim = int64_t{1} << 24;
  const MambaSsm s = read_mamba_ssm_stack(c, "Mamba3");
  Mamba3Config m{};
  m.d_model = s.d_model;
  m.n_layer = s.n_layer;
  m.vocab_size = s.vocab_size;
  m.d_inner = c.share("ssm_cfg.expand", m.d_model, 2, 1, kMaxDim);
  m.d_state = c.integer("ssm_cfg.d_state", 2, 65536, 128);
  m.head_dim = c.integer("ssm_cfg.headdim", 1, 65536, 64);
  m.n_groups = c.integer("ssm_cfg.ngroups", 1, 65536, 1);
  m.mimo = c.flag("ssm_cfg.is_mimo", false);
  m.ranks = m.mimo ? c.integer("ssm_cfg.mimo_rank", 1, 256, 4) : 1;
  m.out_norm = c.flag("ssm_cfg.is_outproj_norm", false);
  m.pairwise = c.flag("ssm_cfg.rotate_pairwise", !m.mimo);  // the MIMO kernel pairs channel i with i + N/2
  const double fraction = c.real("ssm_cfg.rope_fraction", 0.5);
  check(fraction == 0.5 || fraction == 1, ErrorCode::kData, "[{}] expected \"rope_fraction\" 0.5 or 1, found {}",
        c.label(), fraction);
  m.angles = static_cast<int64_t>(static_cast<double>(m.d_state) * fraction) / 2;
  m.stack = s;
  m.tie_embeddings = s.tie_embeddings;
  check(m.d_inner % m.head_dim == 0 && m.heads() % m.n_groups == 0 && m.angles > 0 && m.d_state % 2 == 0,
        ErrorCode::kData,
        "[{}] expected heads of {} in {} that divide into {}, and an even d_state, found {} and d_state {}", c.label(),
        counted(m.head_dim, "channel"), m.d_inner, counted(m.n_groups, "group"), counted(m.heads(), "head"), m.d_state);
  check(c.real("ssm_cfg.A_floor", 1e-4) == 1e-4, ErrorCode::kData, "[{}] expected \"A_floor\" 1e-4, found {}",
        c.label(), c.real("ssm_cfg.A_floor", 0));
  return m;
}

}  // namespace

bool is_mamba3_config(const Config& c) {
  return c.has("d_model") && c.has("n_layer") && c.text("ssm_cfg.layer", "") == "Mamba3";
}

std::unique_ptr<Architecture> make_mamba3(const Config& c) { return std::make_unique<Mamba3>(c, read_mamba3(c)); }

Config mamba3_preset(const PresetSizes& sizes) {
  Config c("preset mamba3");
  c.set("model_type", std::string("mamba3"));
  c.set("d_model", sizes.d_model);
  c.set("n_layer", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("pad_vocab_size_multiple", int64_t{1});
  c.set("d_intermediate", 2 * sizes.d_model);
  c.set("ssm_cfg.layer", std::string("Mamba3"));
  c.set("ssm_cfg.d_state", int64_t{64});
  c.set("ssm_cfg.headdim", std::min<int64_t>(64, sizes.d_model));
  return c;
}

}  // namespace hindscan
