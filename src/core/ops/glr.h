// Role glr: the gated linear recurrences. Shapes are [T, C] rows of tokens; a head's channels are contiguous.
#pragma once
#include "core/context.h"

namespace hindscan {

// One decay per state and channel, kernels/glr/element.h.
struct GlrElement {
  Var q, k, v;          // C [T,N], B [T,N], x [T,D]
  Var dt;               // [T, D]
  const Weight* A_log;  // [D, N], A = -exp(A_log)
};

// Heads of a gated linear recurrence, kernels/glr/head.h.
struct GlrHeads {
  int64_t heads, groups, K, V, ranks = 1;
  Var q, k, v;                 // [T, R*G*K], [T, R*G*K], [T, R*H*V]
  Var g = kNoVar;              // log decay [T, H] or [T, H*K]; none: no decay
  Var s = kNoVar;              // write weight [T, H]
  Var beta = kNoVar;           // delta rule [T, H]: s = beta, b = -beta k, c = k; instead of s, b, c; ranks 1
  Var b = kNoVar, c = kNoVar;  // rank-1 term [T, H*K] each
  kernels::glr::Read read = kernels::glr::Read::kAfter;
  const Weight* bonus = nullptr;  // kBefore: u [H, K], or [H]: log u of all channels of the head
  Var current = kNoVar;           // kDecayed: u [T, H]; read is ignored
  Var previous = kNoVar;          // with current: weight [T, H] of the previous token's k v^T, written before the decay
                                  // of this token (Mamba-3's two taps); carries k and v of the last token
  double scale = 1;               // of q
  TurnedKeys turned = {};         // how the mixer's carried phase has turned q and k
  const Weight* initial = nullptr;  // [H, V, K] S^T before the first token of a text; none: zeros
};

// One state number per channel, kernels/glr/channel.h.
struct GlrChannel {
  Var v;
  Var g;           // log decay [T, D]
  Var w = kNoVar;  // write weight [T, D]
  Var r = kNoVar;  // read weight [T, D]
};

// RWKV-4: exponentially weighted mean per channel, log weights k, current token at k + time_first.
struct GlrWkv4 {
  Var k, v;                  // [T, D]
  const Weight* time_decay;  // [D], log decay -exp(time_decay) per token
  const Weight* time_first;  // [D]
};

// mLSTM: scalar decay, exponential input gate, output divided by max(|n . q|, exp(-m)) + eps (arXiv 2405.04517 eq.
// 19-27).
struct GlrMlstm {
  int64_t heads, K, V;
  Var q, k, v;       // [T, H*K], [T, H*K], [T, H*V]
  Var f, i;          // [T, H] log forget gate <= 0, log input gate
  double scale = 1;  // of k, K^-1/2 in the paper
  double eps = 1e-6;
};

namespace ops {

Var glr(Ctx& ctx, const GlrElement& in);  // [T, D]
Var glr(Ctx& ctx, const GlrHeads& in);    // [T, R*H*V]
Var glr(Ctx& ctx, const GlrChannel& in);  // [T, D]
Var glr(Ctx& ctx, const GlrWkv4& in);     // [T, D]
Var glr(Ctx& ctx, const GlrMlstm& in);    // [T, H*V]

}  // namespace ops
}  // namespace hindscan
