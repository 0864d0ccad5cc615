// RWKV-6 "Finch" (arXiv 2404.05892): as RWKV-5, with a decay per token and channel and mixes with the previous token
// that depend on the data (ddlerp), both through low-rank matrices.
#include <array>
#include <optional>

#include "arch/rwkv_model.h"
#include "arch/rwkv_names.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/token_mix.h"

namespace hindscan {

namespace {

constexpr int64_t kMixes = 5;                           // w, k, v, r, g in this order
constexpr int64_t kFlaOrder[kMixes] = {1, 2, 3, 0, 4};  // r, w, k, v, g: where each of ours is there

struct FinchConfig {
  int64_t key_dim;  // of all heads; values have base.d_att
  int64_t mix_rank, decay_rank;
  double head_norm_eps;
  std::optional<Config> fla;  // the configuration itself, where it is flash-linear-attention's
};

class Rwkv6 final : public rwkv::Model {
 public:
  Rwkv6(rwkv::BaseConfig base, FinchConfig config)
      : Model(base),
        fla_(std::move(config.fla)),
        key_dim_(config.key_dim),
        mix_rank_(config.mix_rank),
        decay_rank_(config.decay_rank),
        head_norm_eps_(config.head_norm_eps) {}

  Config hf_config() const override {
    if (fla_) return *fla_;
    Config out;
    rwkv::write_base(base_, "rwkv6", out);
    out.set("head_size", base_.head_size);
    out.set("mix_lora", mix_rank_);
    out.set("decay_lora", decay_rank_);
    out.set("group_norm_eps", head_norm_eps_);
    return out;
  }

 protected:
  std::vector<std::string> names(const std::string& name) const override {
    return {name, rwkv::hugging_face_name(name), rwkv::fla_finch_name(name)};
  }
  MixerSizes mixer_sizes() const override {
    const int64_t low_rank = 2 * kMixes * mix_rank_ * base_.d_model + decay_rank_ * (base_.d_model + key_dim_);
    const int64_t projections = (2 * key_dim_ + 3 * base_.d_att) * base_.d_model;
    return {base_.heads(), key_dim_ * base_.head_size, 2 * (projections + 4 * key_dim_ * base_.head_size + low_rank)};
  }

  void declare_time_mix(WeightTable& t, const std::string& p, rwkv::Depth d) override {
    const int64_t C = base_.d_model, A = base_.d_att, K = key_dim_;
    Layer w;
    w.maa_x = &add_vector(t, p + "time_maa_x", rwkv::shifted_share(d.one_to_zero()));
    w.maa[0] = &add_vector(t, p + "time_maa_w", rwkv::shifted_share(d.one_to_zero()));
    w.maa[1] = &add_vector(t, p + "time_maa_k", rwkv::shifted_share(d.one_to_zero()));
    w.maa[2] = &add_vector(t, p + "time_maa_v", rwkv::shifted_share(d.one_to_zero(), 0.3 * d.zero_to_one()));
    w.maa[3] = &add_vector(t, p + "time_maa_r", rwkv::shifted_share(0.5 * d.one_to_zero()));
    w.maa[4] = &add_vector(t, p + "time_maa_g", rwkv::shifted_share(0.5 * d.one_to_zero()));
    w.maa_w1 = &add(t, p + "time_maa_w1", {C, kMixes * mix_rank_}, Init::zeros());
    w.maa_w2 = &add(t, p + "time_maa_w2", {kMixes, mix_rank_, C}, Init::uniform(0.01));
    w.time_decay = &add(t, p + "time_decay", {1, 1, K}, rwkv::decay_ramp(-6, 5, 0.7 + 1.3 * d.zero_to_one()));
    w.decay_w1 = &add_turned(t, p + "time_decay_w1", {C, decay_rank_}, Init::zeros());
    w.decay_w2 = &add_turned(t, p + "time_decay_w2", {decay_rank_, K}, Init::uniform(0.01));
    w.time_faaaa = &add(t, p + "time_faaaa", {base_.heads(), K / base_.heads()}, rwkv::current_token_ramp(d));
    w.receptance = &add_matrix(t, p + "receptance.weight", K, C, Init::orthogonal(1));
    w.key = &add_matrix(t, p + "key.weight", K, C, Init::orthogonal(0.1));
    w.value = &add_matrix(t, p + "value.weight", A, C, Init::orthogonal(1));
    w.gate = &add_matrix(t, p + "gate.weight", A, C, Init::orthogonal(0.1));
    w.output = &add_matrix(t, p + "output.weight", C, A, Init::zeros());
    w.ln_x = add_norm(t, p + "ln_x", A, rwkv::head_norm(d));
    add_fla_mixes(w, d);
    w.time_state = add_time_state(t, p, K / base_.heads());
    layers_.push_back(w);
  }

  ChannelMix declare_channel_mix(WeightTable& t, const std::string& p, rwkv::Depth d) const override {
    const double power = std::pow(d.one_to_zero(), 3);
    ChannelMix w;
    w.mix_k = &add_vector(t, p + "time_maa_k", rwkv::shifted_share(power));
    w.mix_r = &add_vector(t, p + "time_maa_r", rwkv::shifted_share(power));
    w.key = &add_matrix(t, p + "key.weight", base_.d_ffn, base_.d_model, Init::orthogonal(1));
    w.receptance = &add_matrix(t, p + "receptance.weight", base_.d_model, base_.d_model, Init::zeros());
    w.value = &add_matrix(t, p + "value.weight", base_.d_model, base_.d_ffn, Init::zeros());
    return w;
  }

  Var time_mix(Ctx& c, int64_t layer, Var x, std::span<const Var>) const override {
    using kernels::Act;
    const Layer& w = layers_[static_cast<size_t>(layer)];
    const Var before = ops::token_shift(c, x);  // [T, d_model]
    const Var low =
        ops::activation(c, Act::kTanh, ops::linear_in(c, *w.maa_w1, mixed(c, x, before, w.maa_x)));  // [T, 5*rank]
    const Var deltas = ops::block_linear(c, *w.maa_w2, nullptr, low);                                // [T, 5*d_model]
    std::array<Var, kMixes> in;  // [T, d_model] each
    for (size_t i = 0; i < in.size(); ++i) {
      const Var delta = ops::split(c, deltas, static_cast<int64_t>(i) * base_.d_model, base_.d_model);  // [T, d_model]
      in[i] = mixed(c, x, before, w.maa[i], delta);
    }
    const Var decay = ops::linear_in(
        c, *w.decay_w2, ops::activation(c, Act::kTanh, ops::linear_in(c, *w.decay_w1, in[0])));  // [T, key_dim]
    GlrHeads wkv{};
    wkv.heads = wkv.groups = base_.heads();
    wkv.K = key_dim_ / base_.heads();
    wkv.V = base_.head_size;
    wkv.q = c.tap("q", ops::linear(c, *w.receptance, nullptr, in[3]));              // [T, key_dim]
    wkv.k = c.tap("k", ops::linear(c, *w.key, nullptr, in[1]));                     // [T, key_dim]
    wkv.v = c.tap("v", ops::linear(c, *w.value, nullptr, in[2]));                   // [T, d_att]
    wkv.g = c.tap("g", ops::decay_map(c, DecayMap::kNegExp, decay, w.time_decay));  // [T, key_dim]
    wkv.read = kernels::glr::Read::kBefore;
    wkv.bonus = w.time_faaaa;
    wkv.initial = w.time_state;
    const Var y = head_norm(c, w.ln_x, ops::glr(c, wkv), head_norm_eps_);                   // [T, d_att]
    const Var z = ops::activation(c, Act::kSilu, ops::linear(c, *w.gate, nullptr, in[4]));  // [T, d_att]
    return ops::linear(c, *w.output, constant(layer), ops::gate(c, y, z));                  // [T, d_model]
  }

 private:
  struct Layer {
    std::array<Weight*, kMixes> maa;
    Weight *maa_x, *maa_w1, *maa_w2, *time_decay, *decay_w1, *decay_w2, *time_faaaa, *receptance, *key, *value, *gate,
        *output;
    const Weight* time_state;
    LayerNorm ln_x;
  };

  // fla stores low-rank matrices as torch's Linear does, transposed.
  Weight& add_turned(WeightTable& t, const std::string& name, std::vector<int64_t> shape, Init init) const {
    Weight& w = add(t, name, std::move(shape), std::move(init));
    w.transposed_aliases = {w.aliases.back()};
    w.aliases.pop_back();
    return w;
  }

  // fla keeps the five mixes' vectors in one tensor and their low-rank factors transposed, in an order of its own.
  void add_fla_mixes(Layer& w, rwkv::Depth d) const {
    const int64_t C = base_.d_model, R = mix_rank_;
    const std::string p = fmt::format("model.layers.{}.attn.", d.layer);
    for (int64_t i = 0; i < kMixes; ++i) {
      const int64_t first = kFlaOrder[i] * C;
      w.maa[static_cast<size_t>(i)]->aliases.pop_back();
      w.maa[static_cast<size_t>(i)]->views = {{p + "x_bias", {kMixes, C}, [first](int64_t at) { return first + at; }}};
    }
    w.maa_w1->aliases.pop_back();
    w.maa_w1->views = {{p + "x_proj.0.linear.weight", {kMixes * R, C}, [C, R](int64_t at) {
                          const int64_t c = at / (kMixes * R), mix = at / R % kMixes, r = at % R;
                          return (kFlaOrder[mix] * R + r) * C + c;
                        }}};
    w.maa_w2->aliases.pop_back();
    w.maa_w2->views = {{p + "x_proj.2.weight", {C, kMixes * R}, [C, R](int64_t at) {
                          const int64_t mix = at / (R * C), r = at / C % R, c = at % C;
                          return (c * kMixes + kFlaOrder[mix]) * R + r;
                        }}};
  }

  std::optional<Config> fla_;
  int64_t key_dim_, mix_rank_, decay_rank_;
  double head_norm_eps_;
  std::vector<Layer> layers_;
};

// flash-linear-attention: heads of keys and values by their shares of the width, one eps for every norm.
std::unique_ptr<Architecture> make_fla(const Config& c) {
  constexpr int64_t kMost = int64_t{1} << 24;
  rwkv::BaseConfig base = rwkv::read_base(c, 3.5);
  const int64_t heads = c.integer("num_heads", 1, kMost, 4), key_dim = c.share("expand_k", base.d_model, 0.5, 0, kMost);
  base.d_att = c.share("expand_v", base.d_model, 1.0, 0, kMost);
  check(key_dim > 0 && base.d_att > 0 && key_dim % heads == 0 && base.d_att % heads == 0, ErrorCode::kData,
        "[{}] expected \"num_heads\" that divides {} channels of keys and {} of values, found {}", c.label(), key_dim,
        base.d_att, heads);
  base.head_size = base.d_att / heads;
  base.time_state = c.flag("time_state", false);
  check(c.flag("norm_bias", true), ErrorCode::kData, "[{}] expected norms with biases, found \"norm_bias\" false",
        c.label());
  return std::make_unique<Rwkv6>(base, FinchConfig{key_dim, c.integer("proj_low_rank_dim", 1, kMost, 32),
                                                   c.integer("gate_low_rank_dim", 1, kMost, 64), base.norm_eps, c});
}

}  // namespace

std::unique_ptr<Architecture> make_rwkv6(const Config& c) {
  constexpr int64_t kMost = 1 << 20;
  if (c.has("expand_k") || c.has("expand_v") || c.has("proj_low_rank_dim")) return make_fla(c);
  const rwkv::BaseConfig base = rwkv::read_heads(c, 3.5);
  const bool large = base.d_model >= 4096;  // the 7 B models have ranks twice as large
  const double divisor = c.real("head_size_divisor", 1e-3, 1e6, 8);
  const int64_t mix_rank = c.integer("mix_lora", 1, kMost, large ? 64 : 32);
  const int64_t decay_rank = c.integer("decay_lora", 1, kMost, large ? 128 : 64);
  const double eps = c.real("group_norm_eps", 0, 1e12, 1e-5 * divisor * divisor);
  return std::make_unique<Rwkv6>(base, FinchConfig{base.d_att, mix_rank, decay_rank, eps, std::nullopt});
}

Config rwkv6_preset(const PresetSizes& sizes) { return rwkv::preset("rwkv6", sizes); }

}  // namespace hindscan
