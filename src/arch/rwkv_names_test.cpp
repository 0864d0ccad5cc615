// Names as transformers' RWKV code and flash-linear-attention's conversion script give them.
#include "arch/rwkv_names.h"

#include <gtest/gtest.h>

#include "arch/architecture.h"

namespace hindscan {
namespace {

TEST(RwkvNames, HuggingFace) {
  using rwkv::hugging_face_name;
  EXPECT_EQ(hugging_face_name("emb.weight"), "rwkv.embeddings.weight");
  EXPECT_EQ(hugging_face_name("ln_out.bias"), "rwkv.ln_out.bias");
  EXPECT_EQ(hugging_face_name("head.weight"), "head.weight");
  EXPECT_EQ(hugging_face_name("blocks.0.ln0.weight"), "rwkv.blocks.0.pre_ln.weight");
  EXPECT_EQ(hugging_face_name("blocks.12.ln2.bias"), "rwkv.blocks.12.ln2.bias");
  EXPECT_EQ(hugging_face_name("blocks.3.att.time_mix_r"), "rwkv.blocks.3.attention.time_mix_receptance");
  EXPECT_EQ(hugging_face_name("blocks.3.att.time_maa_w1"), "rwkv.blocks.3.attention.time_maa_w1");
  EXPECT_EQ(hugging_face_name("blocks.3.att.key.weight"), "rwkv.blocks.3.attention.key.weight");
  EXPECT_EQ(hugging_face_name("blocks.3.ffn.time_mix_k"), "rwkv.blocks.3.feed_forward.time_mix_key");
  EXPECT_EQ(hugging_face_name("blocks.3.constant"), "rwkv.blocks.3.constant");
}

TEST(RwkvNames, Fla) {
  using rwkv::fla_name;
  EXPECT_EQ(fla_name("emb.weight"), "model.embeddings.weight");
  EXPECT_EQ(fla_name("ln_out.weight"), "model.norm.weight");
  EXPECT_EQ(fla_name("head.weight"), "lm_head.weight");
  EXPECT_EQ(fla_name("blocks.0.ln0.bias"), "model.layers.0.pre_norm.bias");
  EXPECT_EQ(fla_name("blocks.2.ln1.weight"), "model.layers.2.attn_norm.weight");
  EXPECT_EQ(fla_name("blocks.2.att.receptance.weight"), "model.layers.2.attn.r_proj.weight");
  EXPECT_EQ(fla_name("blocks.2.att.ln_x.bias"), "model.layers.2.attn.g_norm.bias");
  EXPECT_EQ(fla_name("blocks.2.att.w0"), "model.layers.2.attn.w_lora.lora.2.bias");
  EXPECT_EQ(fla_name("blocks.2.att.g2"), "model.layers.2.attn.g_lora.lora.2.weight");
  EXPECT_EQ(fla_name("blocks.2.att.x_w"), "model.layers.2.attn.x_w");
  EXPECT_EQ(fla_name("blocks.2.att.k_k"), "model.layers.2.attn.k_k");
  EXPECT_EQ(fla_name("blocks.2.ffn.key.weight"), "model.layers.2.ffn.key.weight");
}

TEST(CaseB, NamesOfFlasRwkv6) {
  using rwkv::fla_finch_name;
  EXPECT_EQ(fla_finch_name("blocks.2.att.receptance.weight"), "model.layers.2.attn.r_proj.linear.weight");
  EXPECT_EQ(fla_finch_name("blocks.2.att.time_decay"), "model.layers.2.attn.w_proj.linear.lora.2.bias");
  EXPECT_EQ(fla_finch_name("blocks.2.att.output.weight"), "model.layers.2.attn.o_proj.weight");
  EXPECT_EQ(fla_finch_name("blocks.2.ffn.time_maa_r"), "model.layers.2.ffn.receptance.mu");
  EXPECT_EQ(fla_finch_name("blocks.2.ffn.value.weight"), "model.layers.2.ffn.value.weight");
  EXPECT_EQ(fla_finch_name("blocks.0.ln0.weight"), "model.layers.0.pre_norm.weight");
}

// fla stores the low-rank factors as torch's Linear does.
TEST(RwkvNames, LowRankFactorsOfFlaAreTransposed) {
  const auto arch = make_architecture(architecture_preset("rwkv7", {.d_model = 64, .n_layer = 2, .vocab_size = 10}));
  WeightTable t;
  arch->declare(t);
  const Weight* w = t.find("blocks.1.att.v1");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->transposed_aliases, std::vector<std::string>{"model.layers.1.attn.v_lora.lora.0.weight"});
  EXPECT_TRUE(w->aliases.empty());
  EXPECT_EQ(t.find("blocks.0.att.v1"), nullptr);  // the first layer mixes with nothing
  EXPECT_TRUE(t.ignores("blocks.0.att.v1"));
}

TEST(RwkvConfig, HeadsMustFillTheChannels) {
  Config c = architecture_preset("rwkv6", {.d_model = 64, .n_layer = 1, .vocab_size = 10});
  c.set("head_size", int64_t{48});
  EXPECT_THROW(make_architecture(c), Error);
  Config v5 = architecture_preset("rwkv5", {.d_model = 64, .n_layer = 1, .vocab_size = 10});
  v5.set("version", std::string("5.0"));
  EXPECT_THROW(make_architecture(v5), Error);
}

}  // namespace
}  // namespace hindscan
