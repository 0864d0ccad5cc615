// Softmax attention as decoders have it: projections, optional norms on q and k, rotary positions, output gate.
#pragma once
#include <string>

#include "core/context.h"
#include "nn/rotary.h"

namespace hindscan::nn {

struct AttentionOptions {
  int64_t d_model, heads, kv_heads, head_dim;
  Rotary rotary = {};  // dim 0: no positions (NoPE)
  int64_t window = 0;  // 0: every earlier token
  double scale = 0;    // 0: head_dim^-1/2
  double soft_cap = 0;
  bool bias = false, out_bias = false;
  bool qk_norm = false;        // RMS norm per head on q and k (Qwen3)
  bool norm_one_plus = false;  // their weight enters as 1 + w
  bool gate = false;           // q_proj holds query and gate per head; output times sigmoid(gate) (Qwen3-Next)
  double norm_eps = 1e-6;
};

struct AttentionWeights {
  Weight *q, *k, *v, *o;
  Weight *q_bias = nullptr, *k_bias = nullptr, *v_bias = nullptr, *o_bias = nullptr, *q_norm = nullptr,
         *k_norm = nullptr;
};

// prefix + {q,k,v,o}_proj.{weight,bias}, {q,k}_norm.weight.
AttentionWeights declare_attention(WeightTable& t, const std::string& prefix, const AttentionOptions& o, const Init& in,
                                   const Init& out);
// Inside a mixer scope of kind "softmax"; [T, d_model].
Var attention(Ctx& c, const AttentionWeights& w, const AttentionOptions& o, Var u);
int64_t attention_flops(const AttentionOptions& o);  // of the projections, per token

}  // namespace hindscan::nn
