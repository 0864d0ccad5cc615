// Configurations of mamba_ssm ("d_model", "n_layer", "ssm_cfg"): what its stacks of Mamba, Mamba-2 and Mamba-3 layers
// share, and the layers they may hold besides. Maths and names: mamba_ssm's mixer_seq_simple.py, mha.py, mlp.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "arch/config_keys.h"
#include "core/config.h"
#include "nn/attention.h"

namespace hindscan {

constexpr double kMambaSsmEps = 1e-5;  // of every norm there

struct MambaSsm {
  int64_t d_model, n_layer, vocab_size;  // vocab_size with its padding
  int64_t d_mlp = 0;                     // width of the gated MLP after every mixer; 0: none
  bool tie_embeddings = true;
  std::vector<int64_t> attention = {};  // in order: layers that hold softmax attention instead of the mixer
};

// Whether these are its keys, rather than Hugging Face's.
bool is_mamba_ssm(const Config& config);
// `layer` is what "ssm_cfg.layer" must be. Error(kData).
MambaSsm read_mamba_ssm_stack(const Config& config, const char* layer);

std::vector<KeyNote> mamba_keys();     // unused ones of Mamba's configurations, here and in Hugging Face
std::vector<KeyNote> hf_mamba_keys();  // those, and mamba_ssm's own keys where Hugging Face's stand beside them

// fc2(y * silu(gate)) with y | gate = fc1(x).
struct MambaSsmMlp {
  Weight *fc1 = nullptr, *fc2 = nullptr;
};

// Softmax attention over one projection, which a short convolution without activation may follow.
struct MambaSsmAttention {
  int64_t heads, kv_heads, head_dim, d_conv;
  bool bias, out_bias, interleaved;
  double scale;
  nn::Rotary rotary;
  int64_t d_qkv() const { return head_dim * (heads + 2 * kv_heads); }
};
struct MambaSsmAttentionWeights {
  Weight *in = nullptr, *in_bias = nullptr, *conv = nullptr, *conv_bias = nullptr, *out = nullptr, *out_bias = nullptr;
};

// The layers of a stack around its mixers: norms, attention in the mixer's place where "attn_layer_idx" says so, MLPs.
// Hugging Face's stacks are such with neither.
class MambaSsmLayers {
 public:
  MambaSsmLayers(MambaSsm stack, const Config& config, double norm_eps);  // reads "attn_cfg". Error(kData).
  bool attends(int64_t layer) const;
  bool plain() const { return stack_.attention.empty() && stack_.d_mlp == 0; }
  int64_t mixers() const;  // layers with the family's own mixer
  // Layer after layer; own_mixer(prefix) declares the family's, where there is one.
  void declare(WeightTable& t, int64_t layer, const std::function<void(const std::string& prefix)>& own_mixer);
  // own_mixer(ctx, u) [T, d_model] of u [T, d_model]: the family's.
  template <class F>
  Var run(Ctx& ctx, int64_t layer, const F& own_mixer, Var h) const {
    return ctx.block(static_cast<int>(layer), h,
                     [this, layer, own_mixer](Ctx& c, Var x) { return block(c, layer, own_mixer, x); });
  }
  // Of the attention and MLPs alone.
  int64_t maps() const { return attending() * attention_.heads; }
  int64_t state_numbers() const;
  int64_t cache_per_token() const { return attending() * 2 * attention_.kv_heads * attention_.head_dim; }
  int64_t flops() const;

 private:
  struct Layer {
    Weight *norm, *norm2 = nullptr;
    MambaSsmAttentionWeights attention = {};
    MambaSsmMlp mlp = {};
  };
  Var block(Ctx& c, int64_t layer, Ctx::Body own_mixer, Var x) const;
  int64_t attending() const { return static_cast<int64_t>(stack_.attention.size()); }
  MambaSsm stack_;
  MambaSsmAttention attention_{};
  double norm_eps_;
  std::vector<Layer> layers_;
};

}  // namespace hindscan
