// Role conv: causal depthwise convolution.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var causal_conv1d(Ctx& ctx, const Weight& w, const Weight* bias, Var x);  // [T, C], w [C, 1, K]

}  // namespace hindscan::ops
