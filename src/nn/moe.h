// Mixture of gated MLP experts: a router picks top_k experts a token, their outputs are weighted by the router.
#pragma once
#include <string>
#include <vector>

#include "core/ops/experts.h"
#include "nn/parts.h"

namespace hindscan::nn {

struct MoeOptions {
  int64_t experts, d_model, d_ffn;
  Route route;
};
struct MoeWeights {
  Weight* router;  // [E, d_model]
  std::vector<GatedMlp> experts;
};

// prefix + gate.weight (the router) and experts.{e}.{gate,up,down}_proj.weight, as Mixtral and Qwen name them.
MoeWeights declare_moe(WeightTable& t, const std::string& prefix, const MoeOptions& o, const Init& init);
Var moe(Ctx& c, const MoeWeights& w, const MoeOptions& o, Var x, kernels::Act act);  // [T, d_model]

}  // namespace hindscan::nn
