// The blocks a hybrid can hold besides a family's mixer: softmax attention, an MLP, a mixture of experts.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "arch/mixer.h"
#include "nn/moe.h"
#include "nn/parts.h"

namespace hindscan {

// num_attention_heads, num_key_value_heads, head_dim, position_embedding_type (rope, nope), partial_rotary_factor,
// rope_theta, sliding_window, attn_logit_softcapping, attention_bias, qk_norm, attn_output_gate, norm_eps.
// Error(kData).
std::unique_ptr<Mixer> make_attention_block(const Config& c);

// Acts on each token by itself. "mlp": intermediate_size, hidden_act; "moe" besides: num_experts, num_experts_per_tok,
// norm_topk_prob. Error(kData).
class ChannelBlock {
 public:
  explicit ChannelBlock(const Config& c);
  void declare(WeightTable& t, const std::string& prefix);  // one instance more
  Var apply(Ctx& c, int64_t index, Var u) const;            // [T, d_model]
  int64_t flops() const;                                    // multiply-adds x 2 per token

 private:
  bool moe_;
  int64_t d_model_, d_ffn_;
  double std_;
  kernels::Act act_ = kernels::Act::kSilu;
  nn::MoeOptions experts_{};
  std::vector<nn::GatedMlp> mlp_weights_;
  std::vector<nn::MoeWeights> moe_weights_;
};

}  // namespace hindscan
