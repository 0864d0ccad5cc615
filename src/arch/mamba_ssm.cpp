#include "arch/mamba_ssm.h"

#include <algorithm>
#include <cmath>

#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/rotate.h"
#include "core/ops/softmax_attention.h"
#include "nn/parts.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;
constexpr const char* kStart = "where fresh weights start";
constexpr const char* kSpeed = "chooses between kernels that compute the same";

Init uniform_of(int64_t fan_in, double scale = 1) {
  return Init::uniform(scale / std::sqrt(static_cast<double>(std::max<int64_t>(1, fan_in))));
}

// Residual branches start smaller the deeper the stack is.
double branch_scale(const MambaSsm& s) {
  return 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, s.n_layer * (s.d_mlp > 0 ? 2 : 1))));
}

}  // namespace

std::vector<KeyNote> mamba_keys() {
  std::vector<KeyNote> out = {{"residual_in_fp32", "everything here is float32"},
                              {"fused_add_norm", kSpeed},
                              {"use_mambapy", kSpeed},
                              {"use_associative_scan", kSpeed},
                              {"chunk_size", kSpeed},
                              {"use_mem_eff_path", kSpeed},
                              {"rescale_prenorm_residual", kStart},
                              {"initializer_cfg", kStart}};
  for (const char* key :
       {"time_step_min", "time_step_max", "time_step_floor", "time_step_scale", "time_step_init_scheme"})
    out.push_back({key, kStart});
  for (const char* key : {"dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "A_init_range", "conv_init"})
    out.push_back({std::string("ssm_cfg.") + key, kStart});
  for (const char* key :
       {"use_fast_path", "chunk_size", "use_mem_eff_path", "sequence_parallel", "fuse_pregate_headwise_norm"})
    out.push_back({std::string("ssm_cfg.") + key, kSpeed});
  out.push_back({"ssm_cfg.dropout", "acts in training only"});
  out.push_back({"ssm_cfg.mimo_rank", "used with is_mimo"});
  return out;
}

std::vector<KeyNote> hf_mamba_keys() {
  std::vector<KeyNote> out = mamba_keys();
  out.push_back({"d_model", "a copy of hidden_size", "hidden_size"});
  out.push_back({"n_layer", "a copy of num_hidden_layers", "num_hidden_layers"});
  out.push_back({"d_inner", "a copy of intermediate_size", "intermediate_size"});
  out.push_back({"pad_vocab_size_multiple", "vocab_size is padded already"});
  for (const char* key : {"ssm_cfg", "rms_norm", "norm_before_gate"})
    out.push_back({key, "Hugging Face's class never reads it"});
  return out;
}

bool is_mamba_ssm(const Config& c) {
  return !c.has("hidden_size") && (c.has("d_model") || c.has("n_layer") || c.has("ssm_cfg"));
}

MambaSsm read_mamba_ssm_stack(const Config& c, const char* layer) {
  MambaSsm s;
  s.d_model = c.integer("d_model", 1, kMaxDim, 2560);
  s.n_layer = c.integer("n_layer", 0, 10000, 64);
  const int64_t multiple = c.integer("pad_vocab_size_multiple", 1, 65536, 8);
  s.vocab_size = (c.integer("vocab_size", 1, kMaxDim, 50277) + multiple - 1) / multiple * multiple;
  const int64_t d_mlp = c.integer("d_intermediate", 0, kMaxDim, 0);
  s.d_mlp = (d_mlp + 127) / 128 * 128;
  s.tie_embeddings = c.flag("tie_embeddings", true);
  s.attention = c.integers("attn_layer_idx", 0, std::max<int64_t>(0, s.n_layer - 1));
  std::sort(s.attention.begin(), s.attention.end());
  s.attention.erase(std::unique(s.attention.begin(), s.attention.end()), s.attention.end());
  check(c.text("ssm_cfg.layer", "Mamba1") == layer, ErrorCode::kData,
        "[{}] expected \"ssm_cfg.layer\" {}, found \"{}\"", c.label(), layer,
        c.text("ssm_cfg.layer", "Mamba1").substr(0, 60));
  check(c.flag("rms_norm", true), ErrorCode::kData,
        "[{}] expected \"rms_norm\" true: models with LayerNorm are not supported", c.label());
  return s;
}

static MambaSsmMlp declare_mamba_ssm_mlp(WeightTable& t, const std::string& p, const MambaSsm& s) {
  return {&t.add_matrix(p + "fc1.weight", {2 * s.d_mlp, s.d_model}, uniform_of(s.d_model)),
          &t.add_matrix(p + "fc2.weight", {s.d_model, s.d_mlp}, uniform_of(s.d_mlp, branch_scale(s)))};
}

static Var mamba_ssm_mlp(Ctx& c, const MambaSsmMlp& w, Var x) {
  const int64_t d_mlp = w.fc2->cols();
  const Var value = ops::linear_rows(c, *w.fc1, nullptr, x, 0, d_mlp);     // [T, d_mlp]
  const Var gate = ops::linear_rows(c, *w.fc1, nullptr, x, d_mlp, d_mlp);  // [T, d_mlp]
  return ops::linear(c, *w.fc2, nullptr,
                     ops::gate(c, value, ops::activation(c, kernels::Act::kSilu, gate)));  // [T, d_model]
}

static MambaSsmAttention read_mamba_ssm_attention(const Config& c, const MambaSsm& s) {
  MambaSsmAttention a{};
  a.heads = c.integer("attn_cfg.num_heads", 1, 65536);
  a.kv_heads = c.integer("attn_cfg.num_heads_kv", 1, a.heads, a.heads);
  a.head_dim = c.integer("attn_cfg.head_dim", 1, 65536, std::max<int64_t>(1, s.d_model / a.heads));
  a.d_conv = c.integer("attn_cfg.d_conv", 0, 64, 0);
  a.bias = c.flag("attn_cfg.qkv_proj_bias", true);
  a.out_bias = c.flag("attn_cfg.out_proj_bias", true);
  a.scale = c.real("attn_cfg.softmax_scale", 1e-12, 1e12, 1 / std::sqrt(static_cast<double>(a.head_dim)));
  a.rotary.dim = c.integer("attn_cfg.rotary_emb_dim", 0, a.head_dim, 0);
  a.rotary.base = c.real("attn_cfg.rotary_emb_base", 1, 1e12, 10000);
  a.interleaved = c.flag("attn_cfg.rotary_emb_interleaved", false);
  check(a.heads % a.kv_heads == 0 && a.rotary.dim % 2 == 0, ErrorCode::kData,
        "[{}] expected num_heads {} to be a multiple of num_heads_kv {}, and an even rotary_emb_dim, found {}",
        c.label(), a.heads, a.kv_heads, a.rotary.dim);
  check(c.flag("attn_cfg.causal", false) && c.integer("attn_cfg.mlp_dim", 0, kMaxDim, 0) == 0, ErrorCode::kData,
        "[{}] expected \"attn_cfg\" with \"causal\" true and no \"mlp_dim\", found another", c.label());
  return a;
}

static MambaSsmAttentionWeights declare_mamba_ssm_attention(WeightTable& t, const std::string& p, const MambaSsm& s,
                                                            const MambaSsmAttention& a) {
  const int64_t rows = a.d_qkv(), Q = a.heads * a.head_dim;
  MambaSsmAttentionWeights w;
  w.in = &t.add_matrix(p + "in_proj.weight", {rows, s.d_model}, uniform_of(s.d_model));
  if (a.bias) w.in_bias = &t.add(p + "in_proj.bias", {rows}, Init::zeros());
  if (a.d_conv > 0) {
    w.conv = &t.add(p + "conv1d.weight", {rows, 1, a.d_conv}, uniform_of(a.d_conv));
    w.conv_bias = &t.add(p + "conv1d.bias", {rows}, Init::zeros());
  }
  w.out = &t.add_matrix(p + "out_proj.weight", {s.d_model, Q}, uniform_of(Q, branch_scale(s)));
  if (a.out_bias) w.out_bias = &t.add(p + "out_proj.bias", {s.d_model}, Init::zeros());
  return w;
}

// Rows of in_proj: q | k | v.
static Var mamba_ssm_attention(Ctx& c, const MambaSsmAttentionWeights& w, const MambaSsmAttention& a, Var x) {
  const int64_t Q = a.heads * a.head_dim, KV = a.kv_heads * a.head_dim;
  Var qkv = ops::linear(c, *w.in, w.in_bias, x);  // [T, Q + 2 KV]
  if (w.conv != nullptr) qkv = ops::causal_conv1d(c, *w.conv, w.conv_bias, qkv);
  const auto turned = [&](Var part, int64_t heads) {
    Rope rope = a.rotary.of(heads, a.head_dim);
    rope.interleaved = a.interleaved;
    return a.rotary.dim > 0 ? ops::rope(c, rope, part) : part;  // [T, heads*d]
  };
  Attention in{a.heads, a.kv_heads, c.tap("q", turned(ops::split(c, qkv, 0, Q), a.heads)),
               c.tap("k", turned(ops::split(c, qkv, Q, KV), a.kv_heads)), c.tap("v", ops::split(c, qkv, Q + KV, KV))};
  in.scale = a.scale;
  return ops::linear(c, *w.out, w.out_bias, ops::softmax_attention(c, in));  // [T, d_model]
}

MambaSsmLayers::MambaSsmLayers(MambaSsm stack, const Config& config, double norm_eps)
    : stack_(std::move(stack)), norm_eps_(norm_eps) {
  if (!stack_.attention.empty()) attention_ = read_mamba_ssm_attention(config, stack_);
}

bool MambaSsmLayers::attends(int64_t layer) const {
  return std::binary_search(stack_.attention.begin(), stack_.attention.end(), layer);
}

int64_t MambaSsmLayers::mixers() const { return stack_.n_layer - attending(); }

void MambaSsmLayers::declare(WeightTable& t, int64_t layer, const std::function<void(const std::string&)>& own_mixer) {
  const std::string p = fmt::format("backbone.layers.{}.", layer);
  Layer w{&t.add(p + "norm.weight", {stack_.d_model}, Init::ones())};
  if (attends(layer))
    w.attention = declare_mamba_ssm_attention(t, p + "mixer.", stack_, attention_);
  else
    own_mixer(p + "mixer.");
  if (stack_.d_mlp > 0) {
    w.norm2 = &t.add(p + "norm2.weight", {stack_.d_model}, Init::ones());
    w.mlp = declare_mamba_ssm_mlp(t, p + "mlp.", stack_);
  }
  layers_.push_back(w);
}

Var MambaSsmLayers::block(Ctx& c, int64_t layer, Ctx::Body own_mixer, Var x) const {
  const Layer& w = layers_[static_cast<size_t>(layer)];
  const bool attention = attends(layer);
  const Var u = ops::rmsnorm(c, w.norm, x, norm_eps_);           // [T, d_model]
  const Var y = ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) {  // [T, d_model]
    return attention ? mamba_ssm_attention(m, w.attention, attention_, in) : own_mixer(m, in);
  }));
  return w.norm2 == nullptr ? y : ops::add(c, y, mamba_ssm_mlp(c, w.mlp, ops::rmsnorm(c, w.norm2, y, norm_eps_)));
}

int64_t MambaSsmLayers::state_numbers() const {
  return attending() * std::max<int64_t>(0, attention_.d_conv - 1) * attention_.d_qkv();
}

int64_t MambaSsmLayers::flops() const {
  const MambaSsmAttention& a = attention_;
  const int64_t attention = 2 * (stack_.d_model * (a.d_qkv() + a.heads * a.head_dim) + a.d_conv * a.d_qkv());
  return attending() * attention + stack_.n_layer * nn::gated_mlp_flops(stack_.d_model, stack_.d_mlp);
}

}  // namespace hindscan
