// Configurations of mamba_ssm ("d_model", "n_layer", "ssm_cfg"): what its stacks of Mamba, Mamba-2 and Mamba-3 layers
// share, and the layers they may hold besides. Maths and names: mamba_ssm's mixer_seq_simple.py, mha.py, mlp.py.
#pragma once
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
  std::vector<int64_t> attention;  // layers that hold softmax attention instead of the mixer
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
MambaSsmMlp declare_mamba_ssm_mlp(WeightTable& t, const std::string& prefix, const MambaSsm& stack);
Var mamba_ssm_mlp(Ctx& c, const MambaSsmMlp& w, Var x);  // [T, d_model]

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
MambaSsmAttention read_mamba_ssm_attention(const Config& config, const MambaSsm& stack);  // "attn_cfg"
MambaSsmAttentionWeights declare_mamba_ssm_attention(WeightTable& t, const std::string& prefix, const MambaSsm& stack,
                                                     const MambaSsmAttention& a);
Var mamba_ssm_attention(Ctx& c, const MambaSsmAttentionWeights& w, const MambaSsmAttention& a, Var x);  // [T, d_model]

}  // namespace hindscan
