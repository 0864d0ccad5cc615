#include "nn/moe.h"

#include "core/ops/arrange.h"
#include "core/ops/experts.h"
#include "core/ops/linear.h"

namespace hindscan::nn {

MoeWeights declare_moe(WeightTable& t, const std::string& prefix, const MoeOptions& o, const Init& init) {
  MoeWeights w;
  w.router = &t.add_matrix(prefix + "gate.weight", {o.experts, o.d_model}, init);
  for (int64_t e = 0; e < o.experts; ++e) {
    w.experts.push_back(declare_gated_mlp(t, fmt::format("{}experts.{}.", prefix, e), o.d_model, o.d_ffn, init, init));
  }
  return w;
}

Var moe(Ctx& c, const MoeWeights& w, const MoeOptions& o, Var x, kernels::Act act) {
  const Var route = ops::moe_route(c, ops::linear(c, *w.router, nullptr, x), o.route);  // [T, E]
  std::vector<int64_t> used;
  std::vector<Var> parts;
  for (int64_t e = 0; e < o.experts; ++e) {
    const std::vector<int64_t> rows = ops::routed_rows(c, route, e);
    if (rows.empty()) continue;
    used.push_back(e);
    parts.push_back(gated_mlp(c, w.experts[static_cast<size_t>(e)], ops::select(c, x, rows), act));  // [rows, d_model]
  }
  return ops::combine_experts(c, route, used, parts, o.d_model);  // [T, d_model]
}

}  // namespace hindscan::nn
