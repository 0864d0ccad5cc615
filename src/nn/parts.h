// Small compositions that many families share, written against Ctx.
#pragma once
#include <string>

#include "core/config.h"
#include "core/context.h"

namespace hindscan::nn {

// The activation that Hugging Face calls by this name, read from `key`; Error(kData) for one that is not known here.
kernels::Act read_act(const Config& config, std::string_view key, std::string_view fallback);

// down(act(gate(x)) * up(x)), SwiGLU with silu (arXiv 2002.05202).
struct GatedMlp {
  Weight *gate, *up, *down;
  Weight *gate_bias = nullptr, *up_bias = nullptr, *down_bias = nullptr;
};
GatedMlp declare_gated_mlp(WeightTable& t, const std::string& prefix, int64_t d_model, int64_t d_ffn, const Init& in,
                           const Init& out, bool bias = false);
Var gated_mlp(Ctx& c, const GatedMlp& w, Var x, kernels::Act act = kernels::Act::kSilu);  // [T, d_model]

// Causal depthwise convolution and SiLU, as before q, k and v of the delta rules; weight null: SiLU alone.
struct ShortConv {
  Weight *weight = nullptr, *bias = nullptr;
};
ShortConv declare_short_conv(WeightTable& t, const std::string& prefix, int64_t channels, int64_t d_conv, bool bias,
                             const Init& init);
Var short_conv(Ctx& c, const ShortConv& w, Var x, bool silu = true);  // [T, channels]

// RMS norm per head (weight [V] shared by the heads), then the output gate act(z).
Var gated_head_norm(Ctx& c, const Weight& w, Var y, Var z, int64_t heads, double eps,
                    kernels::Act act = kernels::Act::kSilu);

int64_t gated_mlp_flops(int64_t d_model, int64_t d_ffn);

}  // namespace hindscan::nn
