// What the ops of Ctx take. Shapes are [T, C] rows of tokens; a head's channels are contiguous.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/weights.h"
#include "kernels/glr/head.h"

namespace hindscan {

using Var = int32_t;  // index of a [T, C] array of the pass
inline constexpr Var kNoVar = -1;

// factor * f(w) * x
enum class RateMap : uint8_t { kNegExp, kNegSoftplus };  // f(w) = -exp(w) (A_log); -softplus(w) (RG-LRU, factor 8)
// factor * f(x + bias)
enum class DecayMap : uint8_t {
  kLogSigmoid,        // GLA (factor 1/16), mLSTM forget gate, HGRN
  kSigmoid,           // beta, gates of coefficients
  kNegSigmoid,        // -sigmoid: RWKV-7 (factor exp(-1/2))
  kNegExp,            // -exp: RWKV-5/6 log decay
  kOneMinusExp,       // 1 - exp(x): HGRN2's k from its log decay
  kSqrtOneMinusExp2,  // sqrt(1 - exp(2 x)), gradient of the root at most 1000; 1 at a reset: RG-LRU
  kNegHeavyTail,      // -(1 + x) for x >= 0, -1/(1 - x) below, at most -1e-4: Mamba-3's A
  kExp,               // exp
  kSoftplus,
  kTanh,
  kIdentity  // x + bias: a coefficient with a bias
};

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

// Rotary positions whose rates are not plain powers of a base.
struct RopeScale {
  std::vector<double> rates;  // [rotary_dim / 2] angles of one step
  double size = 1;            // what turns is multiplied by it (YaRN)
  int64_t positions = 0;      // > 0: so many and no more (dynamic NTK)
};

struct Rope {
  int64_t heads, head_dim;
  int64_t rotary_dim;  // the first rotary_dim channels of each head turn, the rest pass
  double base = 10000;
  bool interleaved = false;  // pairs (2i, 2i+1); else (i, i + rotary_dim / 2)
  std::shared_ptr<const RopeScale> scale = nullptr;
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
  const Weight* initial = nullptr;  // [H, V, K] S^T before the first token of a text; none: zeros
};

// The current token beside a recurrence of heads, after its norm (RWKV-7): (sum over the head of q u k) v.
struct CurrentToken {
  int64_t heads;
  Var q, k, v;      // [T, H*d]
  const Weight* u;  // [H, d]
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

struct Attention {
  int64_t heads, kv_heads;  // heads % kv_heads == 0
  Var q, k, v;              // [T, heads*d], [T, kv_heads*d], [T, kv_heads*d_v]
  double scale = 1;         // of q . k
  int64_t window = 0;       // > 0: a token sees itself and the window - 1 before it
  double soft_cap = 0;      // > 0: scores cap * tanh(score / cap)
};

// Recurrences that read their own output; not linear in a state, so they have frozen-gate rows only.
struct Nonlinear {
  enum class Kind : uint8_t { kTanh, kRelu, kGru, kLstm, kSlstm } kind;
  int64_t heads;         // R is block-diagonal over heads
  Var x;                 // [T, gates*H*d] W x + b; gate order: LSTM i f g o, GRU r z n (torch), sLSTM i f z o
  const Weight* R;       // [gates*H*d, d] rows as x, columns the head's own h (heads = 1: torch's weight_hh)
  const Weight* r_bias;  // [gates*H*d] or null
};

struct Route {
  int64_t top_k;
  bool normalise = true;  // weights of the chosen experts sum to 1
  bool sigmoid = false;   // scores by sigmoid instead of softmax
  double factor = 1;      // of the weights
};

// logits = soft_cap tanh((scale (W h) + bias) / soft_cap), soft_cap 0: none.
struct LogitHead {
  const Weight* weight;          // [vocab or labels, d]
  const Weight* bias = nullptr;  // [vocab or labels]
  double scale = 1;
  double soft_cap = 0;
  LogitHead(const Weight& w) : weight(&w) {}  // NOLINT(google-explicit-constructor): a plain head is the common case
};

enum class Pool : uint8_t { kMean, kLast, kFirst, kMax };

}  // namespace hindscan
