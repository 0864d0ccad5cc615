// Roles activation and soft cap.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var activation(Ctx& ctx, kernels::Act kind, Var x);
Var soft_cap(Ctx& ctx, double cap, Var x);  // cap tanh(x / cap)

}  // namespace hindscan::ops
