// Role linear: products with a weight, however it lies.
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var linear(Ctx& ctx, const Weight& w, const Weight* bias, Var x);                                     // [T, out]
Var linear_rows(Ctx& ctx, const Weight& w, const Weight* bias, Var x, int64_t first, int64_t count);  // rows of w only
Var linear_in(Ctx& ctx, const Weight& w, Var x, int64_t first, int64_t count);  // x w[first, first+count), w [in, out]
Var linear_in(Ctx& ctx, const Weight& w, Var x);                                // [T, out], w stored [in, out]
Var block_linear(Ctx& ctx, const Weight& w, const Weight* bias, Var x);         // w [H, in, out] per head: [T, H*out]
Var expert_linear(Ctx& ctx, const Weight& w, const Weight* bias, int64_t expert, Var x);  // w [E, out, in]

}  // namespace hindscan::ops
