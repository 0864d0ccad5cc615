// HGRN2 (arXiv 2404.07904): S_t = diag(f_t) S_{t-1} + (1 - f_t) i_t^T with a forget gate above a lower bound that rises
// with depth. Names of flash-linear-attention's hgrn2.
#include <algorithm>
#include <cmath>

#include "arch/residual_model.h"
#include "core/ops/decay.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"

namespace hindscan {

namespace {

// The norm before the output projection is always called with its default, whatever "norm_eps" says.
constexpr double kInnerNormEps = 1e-5;

struct Hgrn2Layer {
  Weight *q, *f, *i, *norm, *o;
  nn::ShortConv q_conv, f_conv, i_conv;
};

class Hgrn2 final : public ResidualModel {
 public:
  explicit Hgrn2(const Config& c) : ResidualModel(c, read_residual_config(c, 4)) {
    const int64_t D = base_.d_model;
    const int64_t ratio = c.integer("expand_ratio", 1, D,
                                    c.has("num_heads") ? D / c.integer("num_heads", 1, D) : std::min<int64_t>(128, D));
    heads_ = D / ratio;
    check(heads_ * ratio == D, ErrorCode::kData, "[{}] expected \"expand_ratio\" to divide {}, found {}", c.label(), D,
          ratio);
    check(c.integer("num_heads", 1, D, heads_) == heads_, ErrorCode::kData,
          "[{}] expected \"num_heads\" {} with \"expand_ratio\" {}, found {}", c.label(), heads_, ratio,
          c.integer("num_heads", 1, D, heads_));
    K_ = ratio;
    V_ = D / heads_;
    use_bound_ = c.flag("use_lower_bound", true);
    d_conv_ = c.flag("use_short_conv", false) ? c.integer("conv_size", 1, 64, 4) : 0;
  }

 protected:
  void declare_shared(WeightTable& t) override {
    if (use_bound_) bounds_ = &t.add("model.lower_bounds", {base_.n_layer, heads_ * K_}, Init::zeros());
  }

 public:
  void declare_mixer(WeightTable& t, const std::string& p, int64_t) override {
    const int64_t D = base_.d_model, F = heads_ * K_;
    Hgrn2Layer w;
    w.q = &t.add_matrix(p + "q_proj.weight", {F, D}, init());
    w.f = &t.add_matrix(p + "f_proj.weight", {F, D}, init());
    w.i = &t.add_matrix(p + "i_proj.weight", {D, D}, init());
    if (d_conv_ > 0) {
      w.q_conv = nn::declare_short_conv(t, p + "q_conv1d", F, d_conv_, false, init());
      w.f_conv = nn::declare_short_conv(t, p + "f_conv1d", F, d_conv_, false, init());
      w.i_conv = nn::declare_short_conv(t, p + "i_conv1d", D, d_conv_, false, init());
    }
    w.norm = &t.add(p + "g_norm.weight", {D}, Init::ones());
    w.o = &t.add_matrix(p + "o_proj.weight", {D, D}, init());
    layers_.push_back(w);
  }

  Var mix(Ctx& c, int64_t layer, Var u) const override {
    const Hgrn2Layer& w = layers_[static_cast<size_t>(layer)];
    const Var q = nn::short_conv(c, w.q_conv, ops::linear(c, *w.q, nullptr, u), true);   // [T, H*K]
    const Var f = nn::short_conv(c, w.f_conv, ops::linear(c, *w.f, nullptr, u), false);  // [T, H*K]
    const Var i = nn::short_conv(c, w.i_conv, ops::linear(c, *w.i, nullptr, u), false);  // [T, H*V]
    const Var g = bounds_ != nullptr ? ops::decay_bound(c, f, *bounds_, layer)           // [T, H*K] log f
                                     : ops::decay_map(c, DecayMap::kLogSigmoid, f, nullptr);
    GlrHeads in{.heads = heads_,
                .groups = heads_,
                .K = K_,
                .V = V_,
                .q = c.tap("q", q),
                .k = c.tap("k", ops::decay_map(c, DecayMap::kOneMinusExp, g, nullptr)),
                .v = c.tap("v", i)};
    in.g = c.tap("g", g);
    in.scale = 1 / std::sqrt(static_cast<double>(K_));
    return ops::linear(c, *w.o, nullptr, ops::rmsnorm(c, w.norm, ops::glr(c, in), kInnerNormEps));  // [T, d_model]
  }

  Sizes mixer_sizes() const override {
    const int64_t taps = std::max<int64_t>(0, d_conv_ - 1) * heads_ * (2 * K_ + V_);
    return {heads_, heads_ * K_ * V_ + taps, 8 * base_.d_model * base_.d_model + 6 * heads_ * K_ * V_};
  }

 private:
  int64_t heads_, K_, V_, d_conv_;
  bool use_bound_;
  Weight* bounds_ = nullptr;
  std::vector<Hgrn2Layer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_hgrn2(const Config& c) { return std::make_unique<Hgrn2>(c); }

Config hgrn2_preset(const PresetSizes& sizes) {
  Config c = residual_preset("hgrn2", sizes, 4);
  c.set("expand_ratio", sizes.d_model % 64 == 0 ? int64_t{64} : sizes.d_model);
  return c;
}

}  // namespace hindscan
