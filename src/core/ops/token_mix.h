// Role token mix: with the row before, or between two signals.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var token_shift(Ctx& ctx, Var x);             // row t-1 of x, carried from pass to pass
Var lerp(Ctx& ctx, Var a, Var b, Var coeff);  // a + coeff (b - a); coeff as of a gate
// x + (previous - x)(mu + delta); mu_of_x: mu x + (1 - mu) previous; delta or kNoVar
Var mix(Ctx& ctx, Var x, Var previous, const Weight& mu, Var delta, bool mu_of_x);

}  // namespace hindscan::ops
