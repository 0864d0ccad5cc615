// Roles gate, modulate, head dot. A coefficient acts on a signal: coeff [T, C], or [T, H] for the heads of a [T, H*d]
// signal.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var gate(Ctx& ctx, Var signal, Var gate);                              // after the mixer core: two signal paths meet
Var modulate(Ctx& ctx, Var coeff, Var signal);                         // before it, or coefficient by coefficient
Var head_dot(Ctx& ctx, Var a, Var b, const Weight* w, int64_t heads);  // [T, H] sum of a w b over the head

}  // namespace hindscan::ops
