#include "nn/parts.h"

#include <array>

#include "core/ops/activation.h"
#include "core/ops/causal_conv1d.h"
#include "core/ops/gate.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"

namespace hindscan::nn {

kernels::Act read_act(const Config& config, std::string_view key, std::string_view fallback) {
  using kernels::Act;
  struct Named {
    std::string_view name;
    Act act;
  };
  static constexpr std::array kNames = {Named{"silu", Act::kSilu},
                                        Named{"swish", Act::kSilu},
                                        Named{"gelu", Act::kGelu},
                                        Named{"gelu_python", Act::kGelu},
                                        Named{"gelu_new", Act::kGeluTanh},
                                        Named{"gelu_fast", Act::kGeluTanh},
                                        Named{"gelu_pytorch_tanh", Act::kGeluTanh},
                                        Named{"gelu_accurate", Act::kGeluTanh},
                                        Named{"relu", Act::kRelu},
                                        Named{"relu2", Act::kRelu2},
                                        Named{"sqrelu", Act::kRelu2},
                                        Named{"tanh", Act::kTanh},
                                        Named{"sigmoid", Act::kSigmoid},
                                        Named{"linear", Act::kIdentity}};
  const std::string name = config.text(key, fallback);
  std::string known;
  for (const Named& n : kNames) {
    if (n.name == name) return n.act;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", n.name);
  }
  fail(ErrorCode::kData, "[{}] expected \"{}\" to be one of {}; found \"{}\"", config.label(), key, known,
       name.substr(0, 60));
}

GatedMlp declare_gated_mlp(WeightTable& t, const std::string& prefix, int64_t d_model, int64_t d_ffn, const Init& in,
                           const Init& out, bool bias) {
  GatedMlp w;
  w.gate = &t.add_matrix(prefix + "gate_proj.weight", {d_ffn, d_model}, in);
  w.up = &t.add_matrix(prefix + "up_proj.weight", {d_ffn, d_model}, in);
  w.down = &t.add_matrix(prefix + "down_proj.weight", {d_model, d_ffn}, out);
  if (!bias) return w;
  w.gate_bias = &t.add(prefix + "gate_proj.bias", {d_ffn}, Init::zeros());
  w.up_bias = &t.add(prefix + "up_proj.bias", {d_ffn}, Init::zeros());
  w.down_bias = &t.add(prefix + "down_proj.bias", {d_model}, Init::zeros());
  return w;
}

Var gated_mlp(Ctx& c, const GatedMlp& w, Var x, kernels::Act act) {
  const Var gate = ops::activation(c, act, ops::linear(c, *w.gate, w.gate_bias, x));  // [T, d_ffn]
  const Var up = ops::linear(c, *w.up, w.up_bias, x);                                 // [T, d_ffn]
  return ops::linear(c, *w.down, w.down_bias, ops::gate(c, up, gate));                // [T, d_model]
}

ShortConv declare_short_conv(WeightTable& t, const std::string& prefix, int64_t channels, int64_t d_conv, bool bias,
                             const Init& init) {
  ShortConv w;
  w.weight = &t.add(prefix + ".weight", {channels, 1, d_conv}, init);
  w.weight->weight_decay = true;
  if (bias) w.bias = &t.add(prefix + ".bias", {channels}, Init::zeros());
  return w;
}

Var short_conv(Ctx& c, const ShortConv& w, Var x, bool silu) {
  const Var y = w.weight == nullptr ? x : ops::causal_conv1d(c, *w.weight, w.bias, x);  // [T, channels]
  return silu ? ops::activation(c, kernels::Act::kSilu, y) : y;
}

Var gated_head_norm(Ctx& c, const Weight& w, Var y, Var z, int64_t heads, double eps, kernels::Act act) {
  NormOptions norm;
  norm.eps = eps;
  norm.groups = heads;
  return ops::gate(c, ops::norm(c, norm, &w, nullptr, y), ops::activation(c, act, z));  // [T, heads*V]
}

int64_t gated_mlp_flops(int64_t d_model, int64_t d_ffn) { return 6 * d_model * d_ffn; }

}  // namespace hindscan::nn
