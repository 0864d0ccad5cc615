#include "nn/attention.h"

#include <cmath>

#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/rotate.h"
#include "core/ops/softmax_attention.h"

namespace hindscan::nn {

AttentionWeights declare_attention(WeightTable& t, const std::string& prefix, const AttentionOptions& o, const Init& in,
                                   const Init& out) {
  const int64_t Q = o.heads * o.head_dim, KV = o.kv_heads * o.head_dim;
  const auto bias = [&](bool wanted, const char* name, int64_t n) {
    return wanted ? &t.add(prefix + name, {n}, Init::zeros()) : nullptr;
  };
  AttentionWeights w;
  w.q = &t.add_matrix(prefix + "q_proj.weight", {o.gate ? 2 * Q : Q, o.d_model}, in);
  w.k = &t.add_matrix(prefix + "k_proj.weight", {KV, o.d_model}, in);
  w.v = &t.add_matrix(prefix + "v_proj.weight", {KV, o.d_model}, in);
  w.o = &t.add_matrix(prefix + "o_proj.weight", {o.d_model, Q}, out);
  w.q_bias = bias(o.bias, "q_proj.bias", o.gate ? 2 * Q : Q);
  w.k_bias = bias(o.bias, "k_proj.bias", KV);
  w.v_bias = bias(o.bias, "v_proj.bias", KV);
  w.o_bias = bias(o.out_bias, "o_proj.bias", o.d_model);
  if (!o.qk_norm) return w;
  const Init unit = o.norm_one_plus ? Init::zeros() : Init::ones();
  w.q_norm = &t.add(prefix + "q_norm.weight", {o.head_dim}, unit);
  w.k_norm = &t.add(prefix + "k_norm.weight", {o.head_dim}, unit);
  return w;
}

// Norm per head, then positions.
static Var prepare(Ctx& c, const AttentionOptions& o, const Weight* norm, int64_t heads, Var x) {
  if (norm != nullptr)
    x = ops::norm(c, {NormOptions::Kind::kRms, o.norm_eps, heads, o.norm_one_plus}, norm, nullptr, x);  // [T, heads*d]
  return o.rotary.dim > 0 ? ops::rope(c, o.rotary.of(heads, o.head_dim), x) : x;                        // [T, heads*d]
}

Var attention(Ctx& c, const AttentionWeights& w, const AttentionOptions& o, Var u) {
  const int64_t d = o.head_dim;
  Var q = ops::linear(c, *w.q, w.q_bias, u);  // [T, H*d], or [T, H*2d] with a gate
  const Var gate = o.gate ? ops::split_strided(c, q, o.heads, 2 * d, d, d) : kNoVar;  // [T, H*d]
  if (o.gate) q = ops::split_strided(c, q, o.heads, 2 * d, 0, d);
  Attention in{o.heads, o.kv_heads, c.tap("q", prepare(c, o, w.q_norm, o.heads, q)),
               c.tap("k", prepare(c, o, w.k_norm, o.kv_heads, ops::linear(c, *w.k, w.k_bias, u))),
               c.tap("v", ops::linear(c, *w.v, w.v_bias, u))};
  in.scale = o.scale > 0 ? o.scale : 1 / std::sqrt(static_cast<double>(d));
  in.window = o.window;
  in.soft_cap = o.soft_cap;
  Var y = ops::softmax_attention(c, in);  // [T, H*d]
  if (o.gate) y = ops::gate(c, y, ops::activation(c, kernels::Act::kSigmoid, gate));
  return ops::linear(c, *w.o, w.o_bias, y);  // [T, d_model]
}

int64_t attention_flops(const AttentionOptions& o) {
  return 2 * o.d_model * o.head_dim * ((o.gate ? 3 : 2) * o.heads + 2 * o.kv_heads);
}

}  // namespace hindscan::nn
