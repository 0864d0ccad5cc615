// RWKV-7 "Goose" (arXiv 2503.14456): a decay w per token and channel, and a rank-1 term that replaces what the state
// holds for the unit key kk, S_t = diag(w) S_{t-1} - (kk a) (kk^T S_{t-1}) + k v^T, y = r^T S_t. Values of later layers
// are mixed with the first layer's. Maths and names: RWKV-LM, RWKV-v7/train_temp/src/model.py.
#include "arch/rwkv_model.h"
#include "arch/rwkv_names.h"
#include "core/ops/activation.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/scale.h"
#include "core/ops/skip.h"
#include "core/ops/token_mix.h"

namespace hindscan {

namespace {

struct Ranks {
  int64_t decay, a, v, gate;
};

class Rwkv7 final : public rwkv::Model {
 public:
  Rwkv7(rwkv::BaseConfig base, Ranks ranks, double head_norm_eps, bool fuse_norm)
      : Model(base), ranks_(ranks), head_norm_eps_(head_norm_eps), fuse_norm_(fuse_norm) {}

  ArchitectureSizes sizes() const override {
    ArchitectureSizes out = Model::sizes();
    if (base_.n_layer > 1) out.state_numbers += base_.d_model;  // the last token of forward_shared
    return out;
  }
  Config hf_config() const override {
    Config out;
    rwkv::write_base(base_, "rwkv7", out);
    out.set("head_size", base_.head_size);
    out.set("decay_lora", ranks_.decay);
    out.set("a_lora", ranks_.a);
    out.set("v_lora", ranks_.v);
    out.set("gate_lora", ranks_.gate);
    out.set("group_norm_eps", head_norm_eps_);
    if (fuse_norm_) out.set("fuse_norm", true);
    return out;
  }

  void declare(WeightTable& t) override {
    Model::declare(t);
    for (const char* name : {"blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"})
      t.ignore(name);  // stored, never read
  }

 protected:
  std::vector<std::string> names(const std::string& name) const override { return {name, rwkv::fla_name(name)}; }
  MixerSizes mixer_sizes() const override {
    const int64_t low_rank = (ranks_.decay + ranks_.a + ranks_.v + ranks_.gate) * (base_.d_model + base_.d_att);
    return {base_.heads(), base_.d_att * base_.head_size,
            2 * (base_.d_att * (4 * base_.d_model + 6 * base_.head_size) + low_rank)};
  }

  void declare_time_mix(WeightTable& t, const std::string& p, rwkv::Depth d) override {
    const int64_t C = base_.d_model, A = base_.d_att;
    const double late = d.one_to_zero();
    Layer w;
    w.x_r = &add_vector(t, p + "x_r", rwkv::shifted_share(0.2 * late));
    w.x_w = &add_vector(t, p + "x_w", rwkv::shifted_share(0.9 * late));
    w.x_k = &add_vector(t, p + "x_k", rwkv::shifted_share(0.7 * late));
    w.x_v = &add_vector(t, p + "x_v", rwkv::shifted_share(0.7 * late));
    w.x_a = &add_vector(t, p + "x_a", rwkv::shifted_share(0.9 * late));
    w.x_g = &add_vector(t, p + "x_g", rwkv::shifted_share(0.2 * late));
    const double power = 1 + std::pow(d.zero_to_one(), 0.3);
    w.decay = low_rank(t, p + "w", ranks_.decay, [this, power](double n, double c) {
      return -6 + 6 * std::pow(ramp(n, c) + 0.5, power) + 0.5 + 2.5 * zigzag(n);
    });
    w.a = low_rank(t, p + "a", ranks_.a,
                   [this](double n, double c) { return -0.19 + 0.3 * zigzag(n) + 0.4 * ramp(n, c); });
    if (d.layer > 0) w.v = low_rank(t, p + "v", ranks_.v, [](double n, double c) { return 0.73 - 0.4 * ramp(n, c); });
    w.g1 = &low_rank_matrix(t, p + "g1", C, ranks_.gate, Init::zeros());
    w.g2 = &low_rank_matrix(t, p + "g2", ranks_.gate, A, rwkv::tall_orthogonal(0.1, ranks_.gate, A));
    w.k_k =
        &add(t, p + "k_k", {1, 1, A}, rwkv::per_channel([](double n, double c) { return 0.71 - 0.1 * ramp(n, c); }));
    w.k_a = &add(t, p + "k_a", {1, 1, A}, Init::constant(1.02));
    w.r_k = &add(t, p + "r_k", {base_.heads(), base_.head_size}, Init::constant(-0.04));
    w.receptance = &add_matrix(t, p + "receptance.weight", A, C, Init::orthogonal(1));
    w.key = &add_matrix(t, p + "key.weight", A, C, Init::orthogonal(0.1));
    w.value = &add_matrix(t, p + "value.weight", A, C, Init::orthogonal(1));
    w.output = &add_matrix(t, p + "output.weight", C, A, Init::zeros());
    w.ln_x = add_norm(t, p + "ln_x", A, rwkv::head_norm(d));
    w.time_state = add_time_state(t, p, base_.head_size);
    layers_.push_back(w);
  }

  ChannelMix declare_channel_mix(WeightTable& t, const std::string& p, rwkv::Depth d) const override {
    ChannelMix w;
    w.mix_k = &add_vector(t, p + "x_k", rwkv::shifted_share(std::pow(d.one_to_zero(), 4)));
    w.key = &add_matrix(t, p + "key.weight", base_.d_ffn, base_.d_model, Init::orthogonal(1));
    w.value = &add_matrix(t, p + "value.weight", base_.d_model, base_.d_ffn, Init::zeros());
    return w;
  }

  // The first layer's values, which every later layer reads. The first layer makes them again, so that its own maps and
  // paths stay inside its mixer.
  std::vector<Var> forward_shared(Ctx& c, Var h) const override {
    if (base_.n_layer < 2) return {};
    const Layer& w = layers_.front();
    const Var x = layer_norm(c, first_norm(), h, base_.norm_eps);                            // [T, d_model]
    return {ops::linear(c, *w.value, nullptr, mixed(c, x, ops::token_shift(c, x), w.x_v))};  // [T, d_att]
  }

  Var time_mix(Ctx& c, int64_t layer, Var x, std::span<const Var> shared) const override {
    using kernels::Act;
    const Layer& w = layers_[static_cast<size_t>(layer)];
    const Var before = ops::token_shift(c, x);                                         // [T, d_model]
    const Var r = ops::linear(c, *w.receptance, nullptr, mixed(c, x, before, w.x_r));  // [T, d_att]
    const Var k = ops::linear(c, *w.key, nullptr, mixed(c, x, before, w.x_k));         // [T, d_att]
    const Var v = value(c, w, mixed(c, x, before, w.x_v), shared);                     // [T, d_att]
    const Var low = ops::linear_in(c, *w.decay.w1, mixed(c, x, before, w.x_w));        // [T, rank]
    const Var g = ops::decay_map(c, DecayMap::kNegSigmoid,
                                 ops::linear_in(c, *w.decay.w2, ops::activation(c, Act::kTanh, low)), w.decay.w0,
                                 std::exp(-0.5));                   // [T, d_att]
    const Var a = coefficient(c, w.a, mixed(c, x, before, w.x_a));  // [T, d_att]
    const Var kk = unit_key(c, w, k);                               // [T, d_att]

    GlrHeads wkv{};
    wkv.heads = wkv.groups = base_.heads();
    wkv.K = wkv.V = base_.head_size;
    wkv.q = c.tap("q", r);
    wkv.k = c.tap("k", ops::mix(c, k, ops::modulate(c, a, k), *w.k_a, kNoVar, false));  // k (1 + (a - 1) k_a)
    wkv.v = c.tap("v", v);
    wkv.g = c.tap("g", g);
    wkv.initial = w.time_state;
    wkv.b = ops::scale(c, -1, ops::modulate(c, a, kk));  // [T, d_att]
    wkv.c = ops::modulate(c, ops::decay_map(c, DecayMap::kExp, ops::scale(c, -1, g), nullptr),
                          kk);                                             // kk / w: the decay comes first
    const Var y = head_norm(c, w.ln_x, ops::glr(c, wkv), head_norm_eps_);  // [T, d_att]
    const Var with_own = ops::skip(c, CurrentToken{base_.heads(), wkv.q, wkv.k, wkv.v, w.r_k}, y);  // [T, d_att]
    const Var z = ops::activation(c, Act::kSigmoid, ops::linear_in(c, *w.g1, mixed(c, x, before, w.x_g)));  // [T, rank]
    return ops::linear(c, *w.output, constant(layer),
                       ops::gate(c, with_own, ops::linear_in(c, *w.g2, z)));  // [T, d_model]
  }

 private:
  struct LowRank {
    Weight *w0 = nullptr, *w1 = nullptr, *w2 = nullptr;  // bias, [d_model, rank], [rank, d_att]
  };
  struct Layer {
    Weight *x_r, *x_w, *x_k, *x_v, *x_a, *x_g, *g1, *g2, *k_k, *k_a, *r_k, *receptance, *key, *value, *output;
    LowRank decay, a, v;
    const Weight* time_state;
    LayerNorm ln_x;
  };

  static double ramp(double n, double c) { return (c > 1 ? n / (c - 1) : 0) - 0.5; }
  double zigzag(double n) const {
    const double middle = (static_cast<double>(base_.head_size) - 1) / 2;
    const double z = middle > 0 ? (std::fmod(n, static_cast<double>(base_.head_size)) - middle) / middle : 0;
    return z * std::abs(z);
  }

  // fla stores the low-rank matrices as torch's Linear does, transposed.
  Weight& low_rank_matrix(WeightTable& t, const std::string& name, int64_t rows, int64_t cols, Init init) const {
    Weight& w = add(t, name, {rows, cols}, std::move(init));
    w.aliases.clear();
    w.transposed_aliases = {rwkv::fla_name(name)};
    return w;
  }

  LowRank low_rank(WeightTable& t, const std::string& name, int64_t rank,
                   std::function<double(double, double)> bias) const {
    const int64_t C = base_.d_model, A = base_.d_att;
    LowRank w;
    w.w1 = &low_rank_matrix(t, name + "1", C, rank, Init::zeros());
    w.w2 = &low_rank_matrix(t, name + "2", rank, A, rwkv::tall_orthogonal(0.1, rank, A));
    w.w0 = &add(t, name + "0", {1, 1, A}, rwkv::per_channel(std::move(bias)));
    return w;
  }

  static Var coefficient(Ctx& c, const LowRank& w, Var x) {
    return ops::decay_map(c, DecayMap::kSigmoid, ops::linear_in(c, *w.w2, ops::linear_in(c, *w.w1, x)),
                          w.w0);  // [T, d_att]
  }

  static Var value(Ctx& c, const Layer& w, Var x, std::span<const Var> shared) {
    const Var v = ops::linear(c, *w.value, nullptr, x);                                 // [T, d_att]
    return w.v.w0 == nullptr ? v : ops::lerp(c, v, shared[0], coefficient(c, w.v, x));  // [T, d_att]
  }

  // 1 / max(||x||, eps), not the eps inside the root of other delta rules.
  Var unit_key(Ctx& c, const Layer& w, Var k) const {
    NormOptions unit;
    unit.kind = fuse_norm_ ? NormOptions::Kind::kL2Inside : NormOptions::Kind::kL2Max;
    unit.eps = fuse_norm_ ? 1e-6 : 1e-12;
    unit.groups = base_.heads();
    return ops::norm(c, unit, nullptr, nullptr, ops::channel_scale(c, *w.k_k, k));  // [T, d_att]
  }

  Ranks ranks_;
  double head_norm_eps_;
  bool fuse_norm_;  // fla's fused norm of the keys has an eps that torch's has not
  std::vector<Layer> layers_;
};

// The published size of a low-rank factor for a model of this width.
int64_t suggested_rank(double factor, int64_t d_model) {
  return std::max<int64_t>(32, std::lround(factor * std::sqrt(static_cast<double>(d_model)) / 32) * 32);
}

}  // namespace

std::unique_ptr<Architecture> make_rwkv7(const Config& c) {
  constexpr int64_t kMost = 1 << 20;
  const rwkv::BaseConfig base = rwkv::read_heads(c, 4);
  const bool fla = c.has("norm_eps") || c.has("attn_mode");
  const auto rank = [&](const char* key, const char* fla_key, double factor, int64_t fla_rank) {
    const int64_t usual = fla ? fla_rank : suggested_rank(factor, base.d_model);
    return c.integer(key, 1, kMost, c.integer(fla_key, 1, kMost, usual));
  };
  const Ranks ranks{rank("decay_lora", "decay_low_rank_dim", 2.5, 64), rank("a_lora", "a_low_rank_dim", 2.5, 64),
                    rank("v_lora", "v_low_rank_dim", 1.7, 16), rank("gate_lora", "gate_low_rank_dim", 5, 128)};
  std::vector<int64_t> value_dims = c.is_list("value_dim") ? c.integers("value_dim", 1, kMost) : std::vector<int64_t>{};
  if (!c.is_list("value_dim")) value_dims = {c.integer("value_dim", 1, kMost, base.d_att)};
  for (const int64_t dim : value_dims)
    check(dim == base.d_att, ErrorCode::kData, "[{}] expected \"value_dim\" {} in every layer, found {}", c.label(),
          base.d_att, dim);
  check(c.flag("norm_bias", true), ErrorCode::kData, "[{}] expected norms with biases, found \"norm_bias\" false",
        c.label());
  // fla: eps of the heads' norm grows with the head; 64e-5 at the published size.
  const double eps = c.has("head_dim") ? static_cast<double>(base.head_size) * base.norm_eps : 64e-5;
  const bool fuse_norm = c.flag("fuse_norm", c.has("head_dim"));
  return std::make_unique<Rwkv7>(base, ranks, c.real("group_norm_eps", 0, 1e12, eps), fuse_norm);
}

Config rwkv7_preset(const PresetSizes& sizes) { return rwkv::preset("rwkv7", sizes); }

}  // namespace hindscan
