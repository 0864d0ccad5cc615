#include "arch/hybrid_blocks.h"

#include "nn/attention.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

class AttentionBlock final : public Mixer {
 public:
  explicit AttentionBlock(const Config& c) {
    o_.d_model = c.integer("hidden_size", 1, kMaxDim);
    o_.heads = c.integer("num_attention_heads", 1, 65536);
    o_.kv_heads = c.integer("num_key_value_heads", 1, o_.heads, o_.heads);
    o_.head_dim = c.integer("head_dim", 1, 65536, std::max<int64_t>(1, o_.d_model / o_.heads));
    check(o_.heads % o_.kv_heads == 0, ErrorCode::kData,
          "[{}] expected num_attention_heads {} to be a multiple of num_key_value_heads {}", c.label(), o_.heads,
          o_.kv_heads);
    const std::string positions = c.text("position_embedding_type", "rope");
    check(positions == "rope" || positions == "nope", ErrorCode::kData,
          "[{}] expected \"position_embedding_type\" rope or nope, found \"{}\"", c.label(), positions);
    if (positions == "rope") o_.rotary = nn::read_rotary(c, o_.head_dim);
    o_.window = c.integer("sliding_window", 0, int64_t{1} << 40, 0);
    o_.soft_cap = c.real("attn_logit_softcapping", 0, 1e30, 0);
    o_.bias = o_.out_bias = c.flag("attention_bias", false);
    o_.qk_norm = c.flag("qk_norm", false);
    o_.gate = c.flag("attn_output_gate", false);
    o_.norm_eps = c.real("norm_eps", 0, 1, 1e-6);
    std_ = c.real("initializer_range", 0, 1e6, 0.02);
  }
  void declare_mixer(WeightTable& t, const std::string& prefix, int64_t) override {
    weights_.push_back(nn::declare_attention(t, prefix, o_, Init::normal(std_), Init::normal(std_)));
  }
  Var mix(Ctx& c, int64_t index, Var u) const override {
    return nn::attention(c, weights_[static_cast<size_t>(index)], o_, u);
  }
  Sizes mixer_sizes() const override { return {o_.heads, 0, nn::attention_flops(o_), 2 * o_.kv_heads * o_.head_dim}; }

 private:
  nn::AttentionOptions o_{};
  double std_;
  std::vector<nn::AttentionWeights> weights_;
};

}  // namespace

std::unique_ptr<Mixer> make_attention_block(const Config& c) { return std::make_unique<AttentionBlock>(c); }

ChannelBlock::ChannelBlock(const Config& c)
    : moe_(c.text("model_type", "") == "moe"), act_(nn::read_act(c, "hidden_act", "silu")) {
  d_model_ = c.integer("hidden_size", 1, kMaxDim);
  d_ffn_ = c.integer("intermediate_size", 1, kMaxDim);
  std_ = c.real("initializer_range", 0, 1e6, 0.02);
  if (!moe_) return;
  experts_ = {c.integer("num_experts", 1, 65536), d_model_, d_ffn_, {}};
  experts_.route.top_k = c.integer("num_experts_per_tok", 1, experts_.experts);
  experts_.route.normalise = c.flag("norm_topk_prob", true);
}

void ChannelBlock::declare(WeightTable& t, const std::string& prefix) {
  const Init init = Init::normal(std_);
  if (moe_)
    moe_weights_.push_back(nn::declare_moe(t, prefix, experts_, init));
  else
    mlp_weights_.push_back(nn::declare_gated_mlp(t, prefix, d_model_, d_ffn_, init, init));
}

Var ChannelBlock::apply(Ctx& c, int64_t index, Var u) const {
  if (moe_) return nn::moe(c, moe_weights_[static_cast<size_t>(index)], experts_, u, act_);
  return nn::gated_mlp(c, mlp_weights_[static_cast<size_t>(index)], u, act_);
}

int64_t ChannelBlock::flops() const {
  return (moe_ ? experts_.route.top_k : 1) * nn::gated_mlp_flops(d_model_, d_ffn_);
}

}  // namespace hindscan
