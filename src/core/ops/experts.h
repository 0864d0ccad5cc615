// Role route: mixtures of experts.
#pragma once
#include "core/context.h"

namespace hindscan {

struct Route {
  int64_t top_k;
  bool normalise = true;  // weights of the chosen experts sum to 1
  bool sigmoid = false;   // scores by sigmoid instead of softmax
  double factor = 1;      // of the weights
};

namespace ops {

Var moe_route(Ctx& ctx, Var logits, const Route& route);                      // [T, E] weights, zero where not routed
std::vector<int64_t> routed_rows(const Ctx& ctx, Var route, int64_t expert);  // rows with a weight
Var combine_experts(Ctx& ctx, Var route, std::span<const int64_t> experts, std::span<const Var> parts,
                    int64_t channels);

}  // namespace ops
}  // namespace hindscan
