// The skeleton all RWKV releases share: embedding, its norm, layers of x + time mix and x + channel mix, final norm,
// head. A release fills in its time mix and its channel mix. Weights are named as BlinkDL does; names() translates.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "arch/architecture.h"
#include "arch/rwkv_init.h"
#include "core/ops/losses.h"

namespace hindscan::rwkv {

struct BaseConfig {
  int64_t d_model = 0, n_layer = 0, vocab_size = 0;
  int64_t d_att = 0, d_ffn = 0;
  int64_t head_size = 64;  // of the releases with heads
  double norm_eps = 1e-5;
  double out_norm_eps = 1e-5;  // ln_out: transformers' layer_norm_epsilon does not reach it, fla's norm_eps does
  bool embedding_norm = true;  // ln0
  bool head_bias = false;
  bool layer_constant = false;  // a constant vector is added to the residual stream after every time mix
  bool tie_embeddings = false;
  bool time_state = false;  // the state before a text is a weight (state tuning)
  int64_t heads() const { return d_att / head_size; }
};

// Keys every release knows; ffn_ratio and its rounding give intermediate_size where it is absent.
BaseConfig read_base(const Config& c, double ffn_ratio);
BaseConfig read_heads(const Config& c, double ffn_ratio);  // and whole heads
void write_base(const BaseConfig& base, const std::string& type, Config& out);
Config preset(const std::string& type, const PresetSizes& sizes);

class Model : public Architecture {
 public:
  explicit Model(BaseConfig base) : base_(base) {}
  void declare(WeightTable& t) override;
  Var forward(Ctx& ctx) const override;
  const Weight& head() const override { return *head_; }
  LogitHead logit_head() const override;
  ArchitectureSizes sizes() const override;
  int64_t flops_per_token() const override;
  std::vector<KeyNote> unused_keys() const override;

 protected:
  struct LayerNorm {
    Weight *weight = nullptr, *bias = nullptr;
  };
  struct ChannelMix {
    Weight *mix_k, *key, *value;
    Weight *mix_r = nullptr, *receptance = nullptr;
  };
  struct MixerSizes {
    int64_t maps, state, flops;  // of one layer: implicit attention maps, numbers carried, multiply-adds x 2 a token
  };
  // The checkpoint key of a weight and its aliases, from BlinkDL's name.
  virtual std::vector<std::string> names(const std::string& name) const = 0;
  virtual void declare_time_mix(WeightTable& t, const std::string& prefix, Depth depth) = 0;
  virtual ChannelMix declare_channel_mix(WeightTable& t, const std::string& prefix, Depth depth) const = 0;
  // shared: what forward_shared returned; u and shared [T, d_model or d_att] -> [T, d_model].
  virtual Var time_mix(Ctx& c, int64_t layer, Var u, std::span<const Var> shared) const = 0;
  virtual MixerSizes mixer_sizes() const = 0;
  virtual std::vector<Var> forward_shared(Ctx&, Var) const {
    return {};
  }                                                        // arrays every layer reads, from the first layer's input
  virtual bool mix_is_own_share() const { return false; }  // mix weights multiply the token itself, not the one before

  Weight& add(WeightTable& t, const std::string& name, std::vector<int64_t> shape, Init init) const;
  Weight& add_matrix(WeightTable& t, const std::string& name, int64_t out, int64_t in, Init init) const;
  Weight& add_vector(WeightTable& t, const std::string& name, Init init) const {
    return add(t, name, {1, 1, base_.d_model}, std::move(init));  // the published shape
  }
  LayerNorm add_norm(WeightTable& t, const std::string& name, int64_t channels, Init init) const;
  // What the heads' state is before a text, null for zeros; K: channels of a key.
  const Weight* add_time_state(WeightTable& t, const std::string& prefix, int64_t K) const;
  Var layer_norm(Ctx& c, const LayerNorm& w, Var x, double eps) const;                 // [T, C]
  Var head_norm(Ctx& c, const LayerNorm& w, Var x, double eps) const;                  // [T, d_att], per head
  Var mixed(Ctx& c, Var x, Var previous, const Weight* mu, Var delta = kNoVar) const;  // [T, C]
  const LayerNorm& first_norm() const { return blocks_.front().ln1; }
  const Weight* constant(int64_t layer) const { return blocks_[static_cast<size_t>(layer)].constant; }

  BaseConfig base_;

 private:
  struct Block {
    LayerNorm ln1, ln2;
    ChannelMix ffn;
    Weight* constant = nullptr;
  };
  Var channel_mix(Ctx& c, const ChannelMix& w, Var x) const;  // [T, d_model]
  std::vector<Block> blocks_;
  LayerNorm ln0_, ln_out_;
  Weight *embeddings_ = nullptr, *head_ = nullptr, *head_bias_ = nullptr;
};

}  // namespace hindscan::rwkv
