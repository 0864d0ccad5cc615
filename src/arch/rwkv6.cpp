// RWKV-6 "Finch" (arXiv 2404.05892): as RWKV-5, with a decay per token and channel and mixes with the previous token
// that depend on the data (ddlerp), both through low-rank matrices.
#include <array>

#include "arch/rwkv_model.h"
#include "arch/rwkv_names.h"

namespace hindscan {

namespace {

constexpr int64_t kMixes = 5;  // w, k, v, r, g in this order

class Rwkv6 final : public rwkv::Model {
 public:
  Rwkv6(rwkv::BaseConfig base, int64_t mix_rank, int64_t decay_rank, double head_norm_eps)
      : Model(base), mix_rank_(mix_rank), decay_rank_(decay_rank), head_norm_eps_(head_norm_eps) {}

  Config hf_config() const override {
    Config out;
    rwkv::write_base(base_, "rwkv6", out);
    out.set("head_size", base_.head_size);
    out.set("mix_lora", mix_rank_);
    out.set("decay_lora", decay_rank_);
    out.set("group_norm_eps", head_norm_eps_);
    return out;
  }

 protected:
  const char* kind() const override { return "glr.row"; }
  std::vector<std::string> names(const std::string& name) const override {
    return {name, rwkv::hugging_face_name(name)};
  }
  MixerSizes mixer_sizes() const override {
    const int64_t low_rank = 2 * kMixes * mix_rank_ * base_.d_model + decay_rank_ * (base_.d_model + base_.d_att);
    return {base_.heads(), base_.d_att * base_.head_size,
            2 * (base_.d_att * (5 * base_.d_model + 4 * base_.head_size) + low_rank)};
  }

  void declare_time_mix(WeightTable& t, const std::string& p, rwkv::Depth d) override {
    const int64_t C = base_.d_model, A = base_.d_att;
    Layer w;
    w.maa_x = &add_vector(t, p + "time_maa_x", rwkv::shifted_share(d.one_to_zero()));
    w.maa[0] = &add_vector(t, p + "time_maa_w", rwkv::shifted_share(d.one_to_zero()));
    w.maa[1] = &add_vector(t, p + "time_maa_k", rwkv::shifted_share(d.one_to_zero()));
    w.maa[2] = &add_vector(t, p + "time_maa_v", rwkv::shifted_share(d.one_to_zero(), 0.3 * d.zero_to_one()));
    w.maa[3] = &add_vector(t, p + "time_maa_r", rwkv::shifted_share(0.5 * d.one_to_zero()));
    w.maa[4] = &add_vector(t, p + "time_maa_g", rwkv::shifted_share(0.5 * d.one_to_zero()));
    w.maa_w1 = &add(t, p + "time_maa_w1", {C, kMixes * mix_rank_}, Init::zeros());
    w.maa_w2 = &add(t, p + "time_maa_w2", {kMixes, mix_rank_, C}, Init::uniform(0.01));
    w.time_decay = &add(t, p + "time_decay", {1, 1, A}, rwkv::decay_ramp(-6, 5, 0.7 + 1.3 * d.zero_to_one()));
    w.decay_w1 = &add(t, p + "time_decay_w1", {C, decay_rank_}, Init::zeros());
    w.decay_w2 = &add(t, p + "time_decay_w2", {decay_rank_, A}, Init::uniform(0.01));
    w.time_faaaa = &add(t, p + "time_faaaa", {base_.heads(), base_.head_size}, rwkv::current_token_ramp(d));
    w.receptance = &add_matrix(t, p + "receptance.weight", A, C, Init::orthogonal(1));
    w.key = &add_matrix(t, p + "key.weight", A, C, Init::orthogonal(0.1));
    w.value = &add_matrix(t, p + "value.weight", A, C, Init::orthogonal(1));
    w.gate = &add_matrix(t, p + "gate.weight", A, C, Init::orthogonal(0.1));
    w.output = &add_matrix(t, p + "output.weight", C, A, Init::zeros());
    w.ln_x = add_norm(t, p + "ln_x", A, rwkv::head_norm(d));
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
    const Var before = c.token_shift(x);                                                             // [T, d_model]
    const Var low = c.activation(Act::kTanh, c.linear_in(*w.maa_w1, mixed(c, x, before, w.maa_x)));  // [T, 5*rank]
    const Var deltas = c.block_linear(*w.maa_w2, nullptr, low);                                      // [T, 5*d_model]
    std::array<Var, kMixes> in;  // [T, d_model] each
    for (size_t i = 0; i < in.size(); ++i) {
      const Var delta = c.split(deltas, static_cast<int64_t>(i) * base_.d_model, base_.d_model);  // [T, d_model]
      in[i] = mixed(c, x, before, w.maa[i], delta);
    }
    const Var decay =
        c.linear_in(*w.decay_w2, c.activation(Act::kTanh, c.linear_in(*w.decay_w1, in[0])));  // [T, d_att]
    GlrHeads wkv{};
    wkv.heads = wkv.groups = base_.heads();
    wkv.K = wkv.V = base_.head_size;
    wkv.q = c.tap("q", c.linear(*w.receptance, nullptr, in[3]));              // [T, d_att]
    wkv.k = c.tap("k", c.linear(*w.key, nullptr, in[1]));                     // [T, d_att]
    wkv.v = c.tap("v", c.linear(*w.value, nullptr, in[2]));                   // [T, d_att]
    wkv.g = c.tap("g", c.decay_map(DecayMap::kNegExp, decay, w.time_decay));  // [T, d_att]
    wkv.read = kernels::glr::Read::kBefore;
    wkv.bonus = w.time_faaaa;
    const Var y = head_norm(c, w.ln_x, c.glr(wkv), head_norm_eps_);             // [T, d_att]
    const Var z = c.activation(Act::kSilu, c.linear(*w.gate, nullptr, in[4]));  // [T, d_att]
    return c.linear(*w.output, constant(layer), c.gate(y, z));                  // [T, d_model]
  }

 private:
  struct Layer {
    std::array<Weight*, kMixes> maa;
    Weight *maa_x, *maa_w1, *maa_w2, *time_decay, *decay_w1, *decay_w2, *time_faaaa, *receptance, *key, *value, *gate,
        *output;
    LayerNorm ln_x;
  };

  int64_t mix_rank_, decay_rank_;
  double head_norm_eps_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_rwkv6(const Config& c) {
  constexpr int64_t kMost = 1 << 20;
  const rwkv::BaseConfig base = rwkv::read_heads(c, 3.5);
  const bool large = base.d_model >= 4096;  // the 7 B models have ranks twice as large
  const double divisor = c.real("head_size_divisor", 8);
  const int64_t mix_rank = c.integer("mix_lora", 1, kMost, large ? 64 : 32);
  const int64_t decay_rank = c.integer("decay_lora", 1, kMost, large ? 128 : 64);
  return std::make_unique<Rwkv6>(base, mix_rank, decay_rank, c.real("group_norm_eps", 1e-5 * divisor * divisor));
}

Config rwkv6_preset(const PresetSizes& sizes) { return rwkv::preset("rwkv6", sizes); }

}  // namespace hindscan
