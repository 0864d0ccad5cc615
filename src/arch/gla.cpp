// GLA (arXiv 2312.06635): S_t = diag(a_t) S_{t-1} + k_t v_t^T, y_t = q_t^T S_t / sqrt(K), log a = logsigmoid(.) / 16
// per key channel. Names of flash-linear-attention's gla.
#include <cmath>

#include "arch/residual_model.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

struct GlaLayer {
  Weight *q, *k, *v, *g, *gk0, *gk1, *gk_bias, *norm, *o;
};

class Gla final : public ResidualModel {
 public:
  explicit Gla(const Config& c) : ResidualModel(c, read_residual_config(c, 4)) {
    heads_ = c.integer("num_heads", 1, 65536, 4);
    kv_heads_ = c.integer("num_kv_heads", 1, heads_, heads_);
    K_ = c.share("expand_k", base_.d_model, 0.5, 0, kMaxDim) / heads_;
    V_ = c.share("expand_v", base_.d_model, 1.0, 0, kMaxDim) / heads_;
    rank_ = c.integer("gate_low_rank_dim", 1, 65536, 16);
    factor_ = 1 / c.real("gate_logit_normalizer", 1e-6, 1e12, 16);
    check(K_ > 0 && V_ > 0 && heads_ % kv_heads_ == 0, ErrorCode::kData,
          "[{}] expected num_heads to be a multiple of num_kv_heads and at most {}, found {} and {}", c.label(),
          base_.d_model, heads_, kv_heads_);
    check(!c.flag("use_short_conv", false) && c.flag("use_output_gate", true) && !c.has("feature_map") &&
              !c.has("clamp_min") && c.flag("use_gk", true) && !c.flag("use_gv", false),
          ErrorCode::kData,
          "[{}] expected the published layer: no short convolution, feature map or clamp_min, with output gate",
          c.label());
  }

  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model;
    GlaLayer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {heads_ * K_, D}, init());
    w.k = &t.add_matrix(p + "k_proj.weight", {kv_heads_ * K_, D}, init());
    w.v = &t.add_matrix(p + "v_proj.weight", {kv_heads_ * V_, D}, init());
    w.g = &t.add_matrix(p + "g_proj.weight", {heads_ * V_, D}, init());
    w.gk0 = &t.add_matrix(p + "gk_proj.0.weight", {rank_, D}, init());
    w.gk1 = &t.add_matrix(p + "gk_proj.1.weight", {kv_heads_ * K_, rank_}, init());
    w.gk_bias = &t.add(p + "gk_proj.1.bias", {kv_heads_ * K_}, Init::zeros());
    w.norm = &t.add(p + "g_norm_swish_gate.weight", {V_}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, heads_ * V_}, init());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const GlaLayer& w = layers_[static_cast<size_t>(layer)];
    const int64_t repeat = heads_ / kv_heads_;
    const Var q = ops::linear(c, *w.q, nullptr, u);                                             // [T, H*K]
    const Var k = ops::head_broadcast(c, ops::linear(c, *w.k, nullptr, u), kv_heads_, repeat);  // [T, H*K]
    const Var v = ops::head_broadcast(c, ops::linear(c, *w.v, nullptr, u), kv_heads_, repeat);  // [T, H*V]
    const Var gk = ops::linear(c, *w.gk1, w.gk_bias, ops::linear(c, *w.gk0, nullptr, u));       // [T, kv*K]
    GlrHeads in{.heads = heads_,
                .groups = heads_,
                .K = K_,
                .V = V_,
                .q = c.tap("q", q),
                .k = c.tap("k", k),
                .v = c.tap("v", v)};
    in.g = c.tap("g", ops::head_broadcast(c, ops::decay_map(c, DecayMap::kLogSigmoid, gk, nullptr, factor_), kv_heads_,
                                          repeat));  // [T, H*K]
    in.scale = 1 / std::sqrt(static_cast<double>(K_));
    const Var y = ops::glr(c, in);  // [T, H*V]
    return ops::linear(c, *w.o, nullptr,
                       nn::gated_head_norm(c, *w.norm, y, ops::linear(c, *w.g, nullptr, u), heads_, base_.norm_eps));
  }

  Sizes mixer_sizes() const override {
    const int64_t D = base_.d_model, projections = 2 * (D * (heads_ * (K_ + 2 * V_) + kv_heads_ * (K_ + V_) + rank_) +
                                                        rank_ * kv_heads_ * K_);
    return {heads_, heads_ * K_ * V_, projections + 6 * heads_ * K_ * V_};
  }

 private:
  int64_t heads_, kv_heads_, K_, V_, rank_;
  double factor_;
  std::vector<GlaLayer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_gla(const Config& c) { return std::make_unique<Gla>(c); }

Config gla_preset(const PresetSizes& sizes) {
  Config c = residual_preset("gla", sizes, 4);
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model / 128));
  return c;
}

}  // namespace hindscan
