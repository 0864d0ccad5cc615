// Role decay: coefficients of recurrences and gates from their raw values.
#pragma once
#include "core/context.h"

namespace hindscan {

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

namespace ops {

Var decay(Ctx& ctx, Var x, const Weight& bias);                                    // step dt = softplus(x + bias)
Var decay(Ctx& ctx, Var x, const Weight& bias, double low, double high);           // clamped to [low, high]
Var decay_rate(Ctx& ctx, RateMap map, Var x, const Weight& w, double factor = 1);  // factor * f(w) x, w [n], C % n == 0
// factor * f(x + bias); x kNoVar: f(bias)
Var decay_map(Ctx& ctx, DecayMap map, Var x, const Weight* bias, double factor = 1);
Var decay_constant(Ctx& ctx, std::span<const double> g);               // [T, n] the same row for every token
Var decay_bound(Ctx& ctx, Var x, const Weight& lower, int64_t layer);  // HGRN2: log(b + (1 - b) sigmoid(x))

}  // namespace ops
}  // namespace hindscan
