// What decoder-only transformers read alike: their configuration under Hugging Face's names.
#pragma once
#include <vector>

#include "arch/architecture.h"
#include "nn/attention.h"
#include "nn/parts.h"

namespace hindscan {

struct DecoderConfig {
  int64_t d_model, n_layer, vocab_size, d_ffn;
  double norm_eps, init_std;
  bool tie_embeddings, mlp_bias = false;
  kernels::Act act;
  nn::AttentionOptions attention;
  std::vector<int64_t> windows;  // [n_layer], 0: every earlier token
};

// What a configuration leaves out, as the publisher's class has it. 0: follows from the other sizes.
struct DecoderDefaults {
  int64_t d_model, n_layer, vocab_size, d_ffn, heads, kv_heads, head_dim;
  const char* act;
  nn::RotaryKeys rotary;
};

// grouped: keys and values may have fewer heads than queries, and heads a size of their own.
DecoderConfig read_decoder(const Config& c, const DecoderDefaults& defaults, bool grouped);
ArchitectureSizes decoder_sizes(const DecoderConfig& c);
Config decoder_preset(const char* type, const PresetSizes& sizes);

}  // namespace hindscan
