// Gated DeltaNet (arXiv 2412.06464): S_t = (I - beta_t k_t k_t^T) a_t S_{t-1} + beta_t k_t v_t^T, log a = -exp(A_log)
// softplus(. + dt_bias), a scalar per head; and Kimi Delta Attention (arXiv 2510.26692), the same with a decay per key
// channel and a sigmoid gate. Names of flash-linear-attention's gated_deltanet and kda.
#include <cmath>

#include "arch/residual_model.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/softmax_attention.h"

namespace hindscan {

namespace {

struct GatedDeltaLayer {
  Weight *q, *k, *v, *b, *A_log, *dt_bias, *norm, *o;
  Weight *a = nullptr, *f0 = nullptr, *f1 = nullptr;                      // decay: a_proj, or f_proj of low rank
  Weight *g = nullptr, *g0 = nullptr, *g1 = nullptr, *g1_bias = nullptr;  // gate: g_proj, or of low rank
  nn::ShortConv q_conv, k_conv, v_conv;
};

class GatedDeltaNet final : public ResidualModel {
 public:
  GatedDeltaNet(const Config& c, bool kda) : ResidualModel(c, read_residual_config(c, 4, kda ? 24 : 21)), kda_(kda) {
    heads_ = c.integer("num_heads", 1, 65536, kda ? 16 : 6);
    v_heads_ = c.integer("num_v_heads", 1, 65536, heads_);
    K_ = c.integer("head_dim", 1, 4096, kda ? 128 : 256);
    V_ = c.share("expand_v", K_, kda ? 1.0 : 2.0, 0, 65536);
    check(v_heads_ % heads_ == 0 && V_ > 0, ErrorCode::kData,
          "[{}] expected num_v_heads to be a multiple of num_heads {}, found {}", c.label(), heads_, v_heads_);
    d_conv_ = c.flag("use_short_conv", true) ? c.integer("conv_size", 1, 64, 4) : 0;
    conv_bias_ = c.flag("conv_bias", false);
    use_gate_ = kda || c.flag("use_gate", true);
    beta_factor_ = c.flag("allow_neg_eigval", false) ? 2 : 1;
    check(!c.flag("safe_gate", false) && !c.has("lower_bound"), ErrorCode::kData,
          "[{}] expected the unbounded decay of KDA, found \"safe_gate\" or \"lower_bound\"", c.label());
  }

  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model, KD = heads_ * K_, VD = v_heads_ * V_;
    GatedDeltaLayer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {KD, D}, init());
    w.k = &t.add_matrix(p + "k_proj.weight", {KD, D}, init());
    w.v = &t.add_matrix(p + "v_proj.weight", {VD, D}, init());
    w.b = &t.add_matrix(p + "b_proj.weight", {v_heads_, D}, init());
    w.A_log = &t.add(p + "A_log", {v_heads_}, kda_ ? Init::log_uniform(1, 16) : Init::log_uniform(1e-3, 16));
    w.dt_bias = &t.add(p + "dt_bias", {kda_ ? v_heads_ * K_ : v_heads_}, Init::inv_softplus_dt(0.001, 0.1, 1e-4));
    if (kda_) {
      w.f0 = &t.add_matrix(p + "f_proj.0.weight", {V_, D}, init());
      w.f1 = &t.add_matrix(p + "f_proj.1.weight", {v_heads_ * K_, V_}, init());
      w.g0 = &t.add_matrix(p + "g_proj.0.weight", {V_, D}, init());
      w.g1 = &t.add_matrix(p + "g_proj.1.weight", {VD, V_}, init());
      w.g1_bias = &t.add(p + "g_proj.1.bias", {VD}, Init::zeros());
    } else {
      w.a = &t.add_matrix(p + "a_proj.weight", {v_heads_, D}, init());
      if (use_gate_) w.g = &t.add_matrix(p + "g_proj.weight", {VD, D}, init());
    }
    if (d_conv_ > 0) {
      w.q_conv = nn::declare_short_conv(t, p + "q_conv1d", KD, d_conv_, conv_bias_, init());
      w.k_conv = nn::declare_short_conv(t, p + "k_conv1d", KD, d_conv_, conv_bias_, init());
      w.v_conv = nn::declare_short_conv(t, p + "v_conv1d", VD, d_conv_, conv_bias_, init());
    }
    w.norm = &t.add(p + "o_norm.weight", {V_}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, VD}, init());
    layers_.push_back(w);
  }

  // Unit vectors per head, as many heads as the values have.
  Var unit(Ctx& c, const Weight& proj, const nn::ShortConv& conv, Var u) const {
    const NormOptions l2{NormOptions::Kind::kL2Inside, 1e-6, heads_};
    const Var x =
        ops::norm(c, l2, nullptr, nullptr, nn::short_conv(c, conv, ops::linear(c, proj, nullptr, u)));  // [T, heads*K]
    return ops::head_broadcast(c, x, heads_, v_heads_ / heads_);                                        // [T, H*K]
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const GatedDeltaLayer& w = layers_[static_cast<size_t>(layer)];
    const Var q = unit(c, *w.q, w.q_conv, u), k = unit(c, *w.k, w.k_conv, u);     // [T, H*K]
    const Var v = nn::short_conv(c, w.v_conv, ops::linear(c, *w.v, nullptr, u));  // [T, H*V]
    const Var f = kda_ ? ops::linear(c, *w.f1, nullptr, ops::linear(c, *w.f0, nullptr, u))
                       : ops::linear(c, *w.a, nullptr, u);  // [T, H*K] or [T, H]
    GlrHeads in{.heads = v_heads_,
                .groups = v_heads_,
                .K = K_,
                .V = V_,
                .q = c.tap("q", q),
                .k = c.tap("k", k),
                .v = c.tap("v", v)};
    in.g =
        c.tap("g", ops::decay_rate(c, RateMap::kNegExp, ops::decay(c, f, *w.dt_bias), *w.A_log));  // [T, H*K] or [T, H]
    in.beta = c.tap("beta", ops::decay_map(c, DecayMap::kSigmoid, ops::linear(c, *w.b, nullptr, u), nullptr,
                                           beta_factor_));  // [T, H]
    in.scale = 1 / std::sqrt(static_cast<double>(K_));
    return ops::linear(c, *w.o, nullptr, finish(c, w, u, ops::glr(c, in)));  // [T, d_model]
  }

  Var finish(Ctx& c, const GatedDeltaLayer& w, Var u, Var y) const {
    if (kda_) {
      const Var z = ops::linear(c, *w.g1, w.g1_bias, ops::linear(c, *w.g0, nullptr, u));  // [T, H*V]
      return nn::gated_head_norm(c, *w.norm, y, z, v_heads_, base_.norm_eps, kernels::Act::kSigmoid);
    }
    if (use_gate_)
      return nn::gated_head_norm(c, *w.norm, y, ops::linear(c, *w.g, nullptr, u), v_heads_, base_.norm_eps);
    NormOptions norm;
    norm.eps = base_.norm_eps;
    norm.groups = v_heads_;
    return ops::norm(c, norm, w.norm, nullptr, y);  // [T, H*V]
  }

  Sizes mixer_sizes() const override {
    const int64_t D = base_.d_model, KD = heads_ * K_, VD = v_heads_ * V_;
    const int64_t low_rank = kda_ ? 2 * D * V_ + V_ * (v_heads_ * K_ + VD) : D * (v_heads_ + (use_gate_ ? VD : 0));
    const int64_t projections = 2 * (D * (2 * KD + 2 * VD + v_heads_) + low_rank);
    return {v_heads_, v_heads_ * K_ * V_ + std::max<int64_t>(0, d_conv_ - 1) * (2 * KD + VD),
            projections + 8 * v_heads_ * K_ * V_};
  }

 private:
  bool kda_;
  int64_t heads_, v_heads_, K_, V_, d_conv_;
  bool conv_bias_, use_gate_;
  double beta_factor_;
  std::vector<GatedDeltaLayer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_gated_deltanet(const Config& c) { return std::make_unique<GatedDeltaNet>(c, false); }
std::unique_ptr<Architecture> make_kda(const Config& c) { return std::make_unique<GatedDeltaNet>(c, true); }

Config gated_deltanet_preset(const PresetSizes& sizes) {
  Config c = residual_preset("gated_deltanet", sizes, 4);
  c.set("head_dim", std::min<int64_t>(64, sizes.d_model));
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model * 3 / 4 / 64));
  return c;
}

Config kda_preset(const PresetSizes& sizes) {
  Config c = residual_preset("kda", sizes, 4);
  c.set("head_dim", std::min<int64_t>(64, sizes.d_model));
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model / 64));
  return c;
}

}  // namespace hindscan
