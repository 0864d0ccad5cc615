// Roles skip and bypass: what goes around the core of a mixer.
#pragma once
#include "core/context.h"

namespace hindscan {

// The current token beside a recurrence of heads, after its norm (RWKV-7): (sum over the head of q u k) v.
struct CurrentToken {
  int64_t heads;
  Var q, k, v;      // [T, H*d]
  const Weight* u;  // [H, d]
};

namespace ops {

Var skip(Ctx& ctx, const Weight& d, Var base, Var x);  // base + D x; d [C], or [H] with C % H == 0
Var skip(Ctx& ctx, const CurrentToken& in, Var base);  // base + sum_head(q u k) v, beside the recurrence
Var beside(Ctx& ctx, Var x);                           // x on its way around the core: the value path

}  // namespace ops
}  // namespace hindscan
