// Role scale: by one number, by a weight for each channel, or by one for each rank of a head (Mamba-3).
#pragma once
#include "core/context.h"

namespace hindscan::ops {

Var scale(Ctx& ctx, double factor, Var x);
Var channel_scale(Ctx& ctx, const Weight& w, Var x);                              // [T, C] w [C]
Var rank_expand(Ctx& ctx, const Weight& w, Var x, int64_t heads, int64_t ranks);  // w [H,R,P]: [T,H*P] -> [T,R*H*P]
Var rank_reduce(Ctx& ctx, const Weight& w, Var x, int64_t heads, int64_t ranks);  // the transpose: [T,R*H*P] -> [T,H*P]

}  // namespace hindscan::ops
