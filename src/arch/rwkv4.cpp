// RWKV-4 (arXiv 2305.13048): per channel an exponentially decaying mean of values weighted by exp(k), read through
// sigmoid(r). Weight names of Hugging Face's "rwkv"; BlinkDL's are aliases.
#include "arch/rwkv_model.h"
#include "arch/rwkv_names.h"
#include "core/ops/activation.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/token_mix.h"

namespace hindscan {

namespace {

class Rwkv4 final : public rwkv::Model {
 public:
  using Model::Model;

  Config hf_config() const override {
    Config out;
    rwkv::write_base(base_, "rwkv", out);
    out.set("rescale_every", int64_t{0});
    return out;
  }

 protected:
  std::vector<std::string> names(const std::string& name) const override {
    return {rwkv::hugging_face_name(name), name};
  }
  bool mix_is_own_share() const override { return true; }
  MixerSizes mixer_sizes() const override {
    return {base_.d_att, 3 * base_.d_att,
            2 * base_.d_att * (4 * base_.d_model + 4)};  // numerator, denominator, maximum
  }

  void declare_time_mix(WeightTable& t, const std::string& p, rwkv::Depth d) override {
    Layer w;
    w.time_decay = &add(t, p + "time_decay", {base_.d_att}, rwkv::decay_ramp(-5, 8, 0.7 + 1.3 * d.zero_to_one()));
    w.time_first = &add(t, p + "time_first", {base_.d_att},
                        rwkv::per_channel([](double n, double) { return std::log(0.3) + 0.5 * rwkv::zigzag3(n); }));
    w.mix_k = &add_vector(t, p + "time_mix_k", rwkv::mix_share(d.one_to_zero()));
    w.mix_v = &add_vector(t, p + "time_mix_v", rwkv::mix_share(d.one_to_zero(), 0.3 * d.zero_to_one()));
    w.mix_r = &add_vector(t, p + "time_mix_r", rwkv::mix_share(0.5 * d.one_to_zero()));
    w.key = &add_matrix(t, p + "key.weight", base_.d_att, base_.d_model, Init::zeros());
    w.value = &add_matrix(t, p + "value.weight", base_.d_att, base_.d_model,
                          rwkv::tall_orthogonal(1, base_.d_att, base_.d_model));
    w.receptance = &add_matrix(t, p + "receptance.weight", base_.d_att, base_.d_model, Init::zeros());
    w.output = &add_matrix(t, p + "output.weight", base_.d_model, base_.d_att, Init::zeros());
    layers_.push_back(w);
  }

  ChannelMix declare_channel_mix(WeightTable& t, const std::string& p, rwkv::Depth d) const override {
    ChannelMix w;
    w.mix_k = &add_vector(t, p + "time_mix_k", rwkv::mix_share(d.one_to_zero()));
    w.mix_r = &add_vector(t, p + "time_mix_r", rwkv::mix_share(d.one_to_zero()));
    w.key = &add_matrix(t, p + "key.weight", base_.d_ffn, base_.d_model,
                        rwkv::tall_orthogonal(1, base_.d_ffn, base_.d_model));
    w.receptance = &add_matrix(t, p + "receptance.weight", base_.d_model, base_.d_model, Init::zeros());
    w.value = &add_matrix(t, p + "value.weight", base_.d_model, base_.d_ffn, Init::zeros());
    return w;
  }

  Var time_mix(Ctx& c, int64_t layer, Var x, std::span<const Var>) const override {
    const Layer& w = layers_[static_cast<size_t>(layer)];
    const Var before = ops::token_shift(c, x);                                                  // [T, d_model]
    const Var k = c.tap("k", ops::linear(c, *w.key, nullptr, mixed(c, x, before, w.mix_k)));    // [T, d_att]
    const Var v = c.tap("v", ops::linear(c, *w.value, nullptr, mixed(c, x, before, w.mix_v)));  // [T, d_att]
    const Var r = ops::linear(c, *w.receptance, nullptr, mixed(c, x, before, w.mix_r));         // [T, d_att]
    GlrWkv4 wkv;
    wkv.k = k;
    wkv.v = v;
    wkv.time_decay = w.time_decay;
    wkv.time_first = w.time_first;
    const Var y = ops::gate(c, ops::glr(c, wkv), ops::activation(c, kernels::Act::kSigmoid, r));  // [T, d_att]
    return ops::linear(c, *w.output, constant(layer), y);                                         // [T, d_model]
  }

 private:
  struct Layer {
    Weight *time_decay, *time_first, *mix_k, *mix_v, *mix_r, *key, *value, *receptance, *output;
  };
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_rwkv4(const Config& c) { return std::make_unique<Rwkv4>(rwkv::read_base(c, 4)); }

Config rwkv4_preset(const PresetSizes& sizes) { return rwkv::preset("rwkv", sizes); }

}  // namespace hindscan
