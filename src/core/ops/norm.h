// Role norm.
#pragma once
#include "core/context.h"

namespace hindscan {

struct NormOptions {
  enum class Kind : uint8_t {
    kRms,       // x / sqrt(mean(x^2) + eps)
    kLayer,     // (x - mean) / sqrt(var + eps)
    kL2Inside,  // x / sqrt(sum(x^2) + eps)     (fla, Qwen)
    kL2Max      // x / max(||x||, eps)          (RWKV-7)
  } kind = Kind::kRms;
  double eps = 1e-5;
  int64_t groups = 1;     // C is cut into so many parts, each normalised by itself (GroupNorm, per head)
  bool one_plus = false;  // scale by 1 + w
  // w and bias have C numbers, or C / groups that every group shares.
};

namespace ops {

Var rmsnorm(Ctx& ctx, const Weight* w, Var x, double eps);  // w null: weightless
Var norm(Ctx& ctx, const NormOptions& options, const Weight* w, const Weight* bias, Var x);

}  // namespace ops
}  // namespace hindscan
