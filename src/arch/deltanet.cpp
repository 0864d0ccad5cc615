// DeltaNet (arXiv 2406.06484): S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T, y_t = q_t^T S_t / sqrt(K), unit
// q and k. Names of flash-linear-attention's delta_net.
#include <cmath>

#include "arch/residual_model.h"
#include "base/counted.h"
#include "core/ops/decay.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"

namespace hindscan {

namespace {

struct DeltaLayer {
  Weight *q, *k, *v, *b, *g = nullptr, *norm, *o;
  nn::ShortConv q_conv, k_conv, v_conv;
};

class DeltaNet final : public ResidualModel {
 public:
  explicit DeltaNet(const Config& c) : ResidualModel(c, read_residual_config(c, 4)) {
    const auto part = [&](const char* key) { return c.share(key, base_.d_model, 1.0, 0, int64_t{1} << 24); };
    heads_ = c.integer("num_heads", 1, 65536, 16);
    K_ = part("expand_k") / heads_;
    V_ = part("expand_v") / heads_;
    check(K_ > 0 && V_ > 0, ErrorCode::kData, "[{}] expected at most {}, found {}", c.label(),
          counted(base_.d_model, "head"), heads_);
    d_conv_ = c.flag("use_short_conv", true) ? c.integer("conv_size", 1, 64, 4) : 0;
    use_gate_ = c.flag("use_gate", false);
    beta_factor_ = c.flag("allow_neg_eigval", false) ? 2 : 1;
    const std::string act = c.text("qk_activation", "silu"), norm = c.text("qk_norm", "l2");
    check(act == "silu" && norm == "l2" && c.flag("use_beta", true) && c.flag("use_output_norm", true),
          ErrorCode::kData, "[{}] expected \"qk_activation\" silu, \"qk_norm\" l2 and \"use_beta\" true, found {}, {}",
          c.label(), act, norm);
  }

  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model;
    DeltaLayer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {heads_ * K_, D}, init());
    w.k = &t.add_matrix(p + "k_proj.weight", {heads_ * K_, D}, init());
    w.v = &t.add_matrix(p + "v_proj.weight", {heads_ * V_, D}, init());
    w.b = &t.add_matrix(p + "b_proj.weight", {heads_, D}, init());
    if (d_conv_ > 0) {
      w.q_conv = nn::declare_short_conv(t, p + "q_conv1d", heads_ * K_, d_conv_, false, init());
      w.k_conv = nn::declare_short_conv(t, p + "k_conv1d", heads_ * K_, d_conv_, false, init());
      w.v_conv = nn::declare_short_conv(t, p + "v_conv1d", heads_ * V_, d_conv_, false, init());
    }
    if (use_gate_) w.g = &t.add_matrix(p + "g_proj.weight", {heads_ * V_, D}, init());
    w.norm = &t.add(p + "o_norm.weight", {V_}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, heads_ * V_}, init());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const DeltaLayer& w = layers_[static_cast<size_t>(layer)];
    const NormOptions unit{NormOptions::Kind::kL2Inside, 1e-6, heads_};
    const Var q = ops::norm(c, unit, nullptr, nullptr,
                            nn::short_conv(c, w.q_conv, ops::linear(c, *w.q, nullptr, u)));  // [T, H*K]
    const Var k = ops::norm(c, unit, nullptr, nullptr,
                            nn::short_conv(c, w.k_conv, ops::linear(c, *w.k, nullptr, u)));  // [T, H*K]
    const Var v = nn::short_conv(c, w.v_conv, ops::linear(c, *w.v, nullptr, u));             // [T, H*V]
    GlrHeads in{.heads = heads_,
                .groups = heads_,
                .K = K_,
                .V = V_,
                .q = c.tap("q", q),
                .k = c.tap("k", k),
                .v = c.tap("v", v)};
    in.beta = c.tap("beta", ops::decay_map(c, DecayMap::kSigmoid, ops::linear(c, *w.b, nullptr, u), nullptr,
                                           beta_factor_));  // [T, H]
    in.scale = 1 / std::sqrt(static_cast<double>(K_));
    const Var y = ops::glr(c, in);  // [T, H*V]
    if (use_gate_)
      return ops::linear(c, *w.o, nullptr,
                         nn::gated_head_norm(c, *w.norm, y, ops::linear(c, *w.g, nullptr, u), heads_, base_.norm_eps));
    NormOptions norm;
    norm.eps = base_.norm_eps;
    norm.groups = heads_;
    return ops::linear(c, *w.o, nullptr, ops::norm(c, norm, w.norm, nullptr, y));  // [T, d_model]
  }

  Sizes mixer_sizes() const override {
    const int64_t projections = 2 * base_.d_model * heads_ * (2 * K_ + 2 * V_ + 1);
    return {heads_, heads_ * K_ * V_ + std::max<int64_t>(0, d_conv_ - 1) * heads_ * (2 * K_ + V_),
            projections + 8 * heads_ * K_ * V_};
  }

 private:
  int64_t heads_, K_, V_, d_conv_;
  bool use_gate_;
  double beta_factor_;
  std::vector<DeltaLayer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_deltanet(const Config& c) { return std::make_unique<DeltaNet>(c); }

Config deltanet_preset(const PresetSizes& sizes) {
  Config c = residual_preset("delta_net", sizes, 4);
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model / 64));
  return c;
}

}  // namespace hindscan
