// Gated DeltaProduct (arXiv 2502.10297): n delta steps a token, S_{t,i} = (I - beta_i k_i k_i^T) S_{t,i-1} + beta_i k_i
// v_i^T from S_{t,0} = a_t S_{t-1}, y_t = q_t^T S_{t,n} / sqrt(K); unit q and k_i, log a = -exp(A_log) softplus(. +
// dt_bias) per head, or no decay. Names of flash-linear-attention's gated_deltaproduct.
#include <cmath>

#include "arch/residual_model.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/glr_rank.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/scale.h"

namespace hindscan {

namespace {

struct DeltaProductLayer {
  Weight *q, *k, *v, *b, *norm, *o;
  Weight *a = nullptr, *A_log = nullptr, *dt_bias = nullptr, *g = nullptr;
  nn::ShortConv q_conv, k_conv, v_conv;
};

class GatedDeltaProduct final : public ResidualModel {
 public:
  explicit GatedDeltaProduct(const Config& c) : ResidualModel(c, read_residual_config(c, 4, 21)) {
    heads_ = c.integer("num_heads", 1, 65536, 6);
    steps_ = c.integer("num_householder", 1, 64, 1);
    K_ = c.integer("head_dim", 1, 4096, 256);
    V_ = c.share("expand_v", K_, 2.0, 1, 65536);
    d_conv_ = c.flag("use_short_conv", true) ? c.integer("conv_size", 1, 64, 4) : 0;
    use_decay_ = c.flag("use_forget_gate", false);
    use_gate_ = c.flag("use_output_gate", true);
    beta_factor_ = c.flag("allow_neg_eigval", false) ? 2 : 1;
  }

  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model, KD = heads_ * K_, VD = heads_ * V_;
    DeltaProductLayer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {KD, D}, init());
    w.k = &t.add_matrix(p + "k_proj.weight", {steps_ * KD, D}, init());
    w.v = &t.add_matrix(p + "v_proj.weight", {steps_ * VD, D}, init());
    w.b = &t.add_matrix(p + "b_proj.weight", {steps_ * heads_, D}, init());
    if (use_decay_) {
      w.a = &t.add_matrix(p + "a_proj.weight", {heads_, D}, init());
      w.A_log = &t.add(p + "A_log", {heads_}, Init::log_uniform(1e-3, 16));
      w.dt_bias = &t.add(p + "dt_bias", {heads_}, Init::inv_softplus_dt(0.001, 0.1, 1e-4));
    }
    if (d_conv_ > 0) {
      w.q_conv = nn::declare_short_conv(t, p + "q_conv1d", KD, d_conv_, false, init());
      w.k_conv = nn::declare_short_conv(t, p + "k_conv1d", steps_ * KD, d_conv_, false, init());
      w.v_conv = nn::declare_short_conv(t, p + "v_conv1d", steps_ * VD, d_conv_, false, init());
    }
    if (use_gate_) w.g = &t.add_matrix(p + "g_proj.weight", {VD, D}, init());
    w.norm = &t.add(p + "o_norm.weight", {V_}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, VD}, init());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const DeltaProductLayer& w = layers_[static_cast<size_t>(layer)];
    const auto unit = [&](const Weight& proj, const nn::ShortConv& conv, int64_t heads) {
      const NormOptions l2{NormOptions::Kind::kL2Inside, 1e-6, heads};
      return ops::norm(c, l2, nullptr, nullptr, nn::short_conv(c, conv, ops::linear(c, proj, nullptr, u)));
    };
    const Var q = ops::scale(c, 1 / std::sqrt(static_cast<double>(K_)), unit(*w.q, w.q_conv, heads_));  // [T, H*K]
    const Var k = c.tap("k", unit(*w.k, w.k_conv, steps_ * heads_));                                    // [T, n*H*K]
    const Var v = nn::short_conv(c, w.v_conv, ops::linear(c, *w.v, nullptr, u));                        // [T, n*H*V]
    const Var beta = c.tap("beta", ops::decay_map(c, DecayMap::kSigmoid, ops::linear(c, *w.b, nullptr, u), nullptr,
                                                  beta_factor_));  // [T, n*H]
    GlrRank in{.heads = heads_,
               .K = K_,
               .V = V_,
               .steps = steps_,
               .q = c.tap("q", q),
               .k = k,
               .v = c.tap("v", v),
               .b = ops::scale(c, -1, ops::modulate(c, beta, k)),
               .c = k,
               .s = beta};
    if (use_decay_)
      in.g = c.tap("g", ops::decay_rate(c, RateMap::kNegExp,
                                        ops::decay(c, ops::linear(c, *w.a, nullptr, u), *w.dt_bias), *w.A_log));
    return ops::linear(c, *w.o, nullptr, finish(c, w, u, ops::glr(c, in)));  // [T, d_model]
  }

  Var finish(Ctx& c, const DeltaProductLayer& w, Var u, Var y) const {
    if (use_gate_) return nn::gated_head_norm(c, *w.norm, y, ops::linear(c, *w.g, nullptr, u), heads_, base_.norm_eps);
    NormOptions norm;
    norm.eps = base_.norm_eps;
    norm.groups = heads_;
    return ops::norm(c, norm, w.norm, nullptr, y);  // [T, H*V]
  }

  Sizes mixer_sizes() const override {
    const int64_t D = base_.d_model, KD = heads_ * K_, VD = heads_ * V_;
    const int64_t outputs = KD + VD + steps_ * (KD + VD + heads_) + (use_decay_ ? heads_ : 0) + (use_gate_ ? VD : 0);
    return {heads_, heads_ * K_ * V_ + std::max<int64_t>(0, d_conv_ - 1) * (KD + steps_ * (KD + VD)),
            2 * D * outputs + 8 * steps_ * heads_ * K_ * V_};
  }

 private:
  int64_t heads_, steps_, K_, V_, d_conv_;
  bool use_decay_, use_gate_;
  double beta_factor_;
  std::vector<DeltaProductLayer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_gated_deltaproduct(const Config& c) {
  return std::make_unique<GatedDeltaProduct>(c);
}

Config gated_deltaproduct_preset(const PresetSizes& sizes) {
  Config c = residual_preset("gated_deltaproduct", sizes, 4);
  c.set("head_dim", std::min<int64_t>(64, sizes.d_model));
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model * 3 / 4 / 64));
  c.set("num_householder", int64_t{2});
  c.set("use_forget_gate", true);
  c.set("allow_neg_eigval", true);
  return c;
}

}  // namespace hindscan
