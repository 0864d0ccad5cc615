// RetNet (arXiv 2307.08621): S_t = gamma_h S_{t-1} + k_t v_t^T, y_t = q_t^T S_t / sqrt(K), gamma_h = 1 - 2^(-5-h),
// rotary q, k. Names of flash-linear-attention's retnet.
#include <cmath>

#include "arch/residual_model.h"
#include "base/counted.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/rotate.h"

namespace hindscan {

namespace {

struct RetnetLayer {
  Weight *q, *k, *v, *g, *norm, *o;
};

class Retnet final : public ResidualModel {
 public:
  explicit Retnet(const Config& c) : ResidualModel(c, read_residual_config(c, 2)) {
    const int64_t D = base_.d_model;
    heads_ = c.integer("num_heads", 1, 65536, 8);
    kv_heads_ = c.integer("num_kv_heads", 1, heads_, heads_);
    constexpr int64_t kMaxDim = int64_t{1} << 24;
    K_ = c.share("expand_k", D, 1.0, 0, kMaxDim) / heads_;
    V_ = c.share("expand_v", D, 2.0, 0, kMaxDim) / heads_;
    check(!c.flag("use_short_conv", false) && c.flag("use_output_gate", true) && !c.has("feature_map"),
          ErrorCode::kData, "[{}] expected the published layer: no short convolution or feature map, with output gate",
          c.label());
    check(K_ > 0 && K_ % 2 == 0 && V_ > 0 && heads_ % kv_heads_ == 0, ErrorCode::kData,
          "[{}] expected num_heads that gives an even key size per head, found {} of {}", c.label(),
          counted(heads_, "head"), K_);
    for (int64_t h = 0; h < heads_; ++h) log_gamma_.push_back(std::log1p(-std::exp2(-5.0 - static_cast<double>(h))));
  }

  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model;
    RetnetLayer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {heads_ * K_, D}, init());
    w.k = &t.add_matrix(p + "k_proj.weight", {kv_heads_ * K_, D}, init());
    w.v = &t.add_matrix(p + "v_proj.weight", {kv_heads_ * V_, D}, init());
    w.g = &t.add_matrix(p + "g_proj.weight", {heads_ * V_, D}, init());
    w.norm = &t.add(p + "g_norm_swish_gate.weight", {V_}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, heads_ * V_}, init());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const RetnetLayer& w = layers_[static_cast<size_t>(layer)];
    const int64_t groups = heads_ / kv_heads_;
    const Var q = ops::rope(c, {heads_, K_, K_}, ops::linear(c, *w.q, nullptr, u));             // [T, H*K]
    const Var k = ops::rope(c, {kv_heads_, K_, K_}, ops::linear(c, *w.k, nullptr, u));          // [T, kv*K]
    const Var v = ops::head_broadcast(c, ops::linear(c, *w.v, nullptr, u), kv_heads_, groups);  // [T, H*V]
    GlrHeads in{.heads = heads_,
                .groups = heads_,
                .K = K_,
                .V = V_,
                .q = c.tap("q", q),
                .k = c.tap("k", ops::head_broadcast(c, k, kv_heads_, groups)),
                .v = c.tap("v", v)};
    in.g = ops::decay_constant(c, log_gamma_);  // [T, H]
    in.scale = 1 / std::sqrt(static_cast<double>(K_));
    const Var y = ops::glr(c, in);  // [T, H*V]
    return ops::linear(c, *w.o, nullptr,
                       nn::gated_head_norm(c, *w.norm, y, ops::linear(c, *w.g, nullptr, u), heads_, base_.norm_eps));
  }

  Sizes mixer_sizes() const override {
    const int64_t projections = 2 * base_.d_model * (heads_ * K_ + kv_heads_ * (K_ + V_) + 2 * heads_ * V_);
    return {heads_, heads_ * K_ * V_, projections + 6 * heads_ * K_ * V_};
  }

 private:
  int64_t heads_, kv_heads_, K_, V_;
  std::vector<double> log_gamma_;  // [H]
  std::vector<RetnetLayer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_retnet(const Config& c) { return std::make_unique<Retnet>(c); }

Config retnet_preset(const PresetSizes& sizes) {
  Config c = residual_preset("retnet", sizes, 2);
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model / 64));
  return c;
}

}  // namespace hindscan
