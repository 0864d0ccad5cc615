// RWKV-5 "Eagle" (arXiv 2404.05892): heads with a matrix state and constant decays, read before the write, the current
// token weighted by u. 5.2 has one decay and one u per channel and an output gate; 5.1 has one decay and one log u per
// head.
#include "arch/rwkv_model.h"
#include "arch/rwkv_names.h"
#include "core/ops/activation.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/token_mix.h"

namespace hindscan {

namespace {

class Rwkv5 final : public rwkv::Model {
 public:
  // output_scale: the recurrence's output is divided by it before the norm of the heads.
  Rwkv5(rwkv::BaseConfig base, bool per_channel, double output_scale)
      : Model(base),
        per_channel_(per_channel),
        head_norm_eps_(1e-5 * output_scale * output_scale),
        output_scale_(output_scale) {}

  Config hf_config() const override {
    Config out;
    rwkv::write_base(base_, "rwkv5", out);
    out.set("head_size", base_.head_size);
    out.set("head_size_divisor", output_scale_);
    out.set("version", std::string(per_channel_ ? "5.2" : "5.1"));
    return out;
  }

 protected:
  std::vector<std::string> names(const std::string& name) const override {
    return {name, rwkv::hugging_face_name(name)};
  }
  bool mix_is_own_share() const override { return true; }
  MixerSizes mixer_sizes() const override {
    return {base_.heads(), base_.d_att * base_.head_size,
            2 * base_.d_att * ((per_channel_ ? 5 : 4) * base_.d_model + 4 * base_.head_size)};
  }

  void declare_time_mix(WeightTable& t, const std::string& p, rwkv::Depth d) override {
    const int64_t H = base_.heads(), N = base_.head_size;
    const std::vector<int64_t> shape = per_channel_ ? std::vector<int64_t>{H, N} : std::vector<int64_t>{H};
    Layer w;
    w.mix_k = &add_vector(t, p + "time_mix_k", rwkv::mix_share(d.one_to_zero()));
    w.mix_v = &add_vector(t, p + "time_mix_v", rwkv::mix_share(d.one_to_zero(), 0.3 * d.zero_to_one()));
    w.mix_r = &add_vector(t, p + "time_mix_r", rwkv::mix_share(0.5 * d.one_to_zero()));
    w.time_decay = &add(t, p + "time_decay", shape, rwkv::decay_ramp(-6, 5, 0.7 + 1.3 * d.zero_to_one()));
    w.current = &add(t, p + (per_channel_ ? "time_faaaa" : "time_first"), shape,
                     per_channel_ ? rwkv::current_token_ramp(d) : Init::constant(std::log(0.3)));
    w.receptance = &projection(t, p + "receptance", Init::orthogonal(1));
    w.key = &projection(t, p + "key", Init::orthogonal(0.1));
    w.value = &projection(t, p + "value", Init::orthogonal(1));
    w.output = &add_matrix(t, p + "output.weight", base_.d_model, base_.d_att, Init::zeros());
    w.ln_x = add_norm(t, p + "ln_x", base_.d_att, rwkv::head_norm(d));
    if (per_channel_) {
      w.mix_g = &add_vector(t, p + "time_mix_g", rwkv::mix_share(0.5 * d.one_to_zero()));
      w.gate = &projection(t, p + "gate", Init::orthogonal(0.1));
    }
    w.time_state = add_time_state(t, p, N);
    layers_.push_back(w);
  }

  ChannelMix declare_channel_mix(WeightTable& t, const std::string& p, rwkv::Depth d) const override {
    ChannelMix w;
    w.mix_k = &add_vector(t, p + "time_mix_k", rwkv::mix_share(d.one_to_zero()));
    w.mix_r = &add_vector(t, p + "time_mix_r", rwkv::mix_share(d.one_to_zero()));
    w.key = &add_matrix(t, p + "key.weight", base_.d_ffn, base_.d_model, Init::orthogonal(1));
    w.receptance = &add_matrix(t, p + "receptance.weight", base_.d_model, base_.d_model, Init::zeros());
    w.value = &add_matrix(t, p + "value.weight", base_.d_model, base_.d_ffn, Init::zeros());
    return w;
  }

  Var time_mix(Ctx& c, int64_t layer, Var x, std::span<const Var>) const override {
    const Layer& w = layers_[static_cast<size_t>(layer)];
    const Var before = ops::token_shift(c, x);  // [T, d_model]
    GlrHeads wkv{};
    wkv.heads = wkv.groups = base_.heads();
    wkv.K = wkv.V = base_.head_size;
    wkv.q = c.tap("q", ops::linear(c, *w.receptance, nullptr, mixed(c, x, before, w.mix_r)));  // [T, d_att]
    wkv.k = c.tap("k", ops::linear(c, *w.key, nullptr, mixed(c, x, before, w.mix_k)));         // [T, d_att]
    wkv.v = c.tap("v", ops::linear(c, *w.value, nullptr, mixed(c, x, before, w.mix_v)));       // [T, d_att]
    wkv.g = ops::decay_map(c, DecayMap::kNegExp, kNoVar, w.time_decay);                        // [T, d_att] or [T, H]
    wkv.read = kernels::glr::Read::kBefore;
    wkv.bonus = w.current;
    wkv.initial = w.time_state;
    Var y = head_norm(c, w.ln_x, ops::glr(c, wkv), head_norm_eps_);  // [T, d_att]
    if (w.gate != nullptr) {
      const Var z = ops::linear(c, *w.gate, nullptr, mixed(c, x, before, w.mix_g));  // [T, d_att]
      y = ops::gate(c, y, ops::activation(c, kernels::Act::kSilu, z));               // [T, d_att]
    }
    return ops::linear(c, *w.output, constant(layer), y);  // [T, d_model]
  }

 private:
  struct Layer {
    Weight *mix_k, *mix_v, *mix_r, *time_decay, *current, *receptance, *key, *value, *output;
    Weight *mix_g = nullptr, *gate = nullptr;
    const Weight* time_state;
    LayerNorm ln_x;
  };

  Weight& projection(WeightTable& t, const std::string& name, Init init) const {
    return add_matrix(t, name + ".weight", base_.d_att, base_.d_model, std::move(init));
  }

  bool per_channel_;
  double head_norm_eps_, output_scale_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Architecture> make_rwkv5(const Config& c) {
  const rwkv::BaseConfig base = rwkv::read_heads(c, 3.5);
  const std::string version = c.text("version", "5.2");
  check(version == "5.2" || version == "5.1", ErrorCode::kData, "[{}] expected \"version\" 5.1 or 5.2, found \"{}\"",
        c.label(), version);
  return std::make_unique<Rwkv5>(base, version == "5.2", c.real("head_size_divisor", 1e-3, 1e6, 8));
}

Config rwkv5_preset(const PresetSizes& sizes) { return rwkv::preset("rwkv5", sizes); }

}  // namespace hindscan
