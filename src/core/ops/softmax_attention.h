// Role attention.
#pragma once
#include "core/context.h"

namespace hindscan {

struct Attention {
  int64_t heads, kv_heads;  // heads % kv_heads == 0
  Var q, k, v;              // [T, heads*d], [T, kv_heads*d], [T, kv_heads*d_v]
  double scale = 1;         // of q . k
  int64_t window = 0;       // > 0: a token sees itself and the window - 1 before it
  double soft_cap = 0;      // > 0: scores cap * tanh(score / cap)
};

namespace ops {

Var softmax_attention(Ctx& ctx, const Attention& in);  // [T, heads*v_dim]

}  // namespace ops
}  // namespace hindscan
