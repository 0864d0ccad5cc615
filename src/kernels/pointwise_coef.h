// Coefficients and what they do to signals: maps of decays, factors per head, interpolations, dot products per head.
// Conventions of pointwise.h: a float and a double overload each, gradients accumulate (+=), "or null" says what may be
// null.
#pragma once
#include <cstdint>

namespace hindscan::kernels {

// y = factor * f(x + b).
enum class CoefMap : uint8_t {
  kLogSigmoid,
  kSigmoid,
  kNegSigmoid,
  kNegExp,
  kOneMinusExp,
  kSqrtOneMinusExp2,  // sqrt(1 - exp(2 x)); the derivative of the root is at most 1000
  kNegHeavyTail,      // -(1 + x) for x >= 0, -1 / (1 - x) below; at most -1e-4
  kExp,
  kSoftplus,
  kTanh,
  kIdentity
};

#define HS_DECLARE(R)                                                                                                  \
  /* b [C] or null */                                                                                                  \
  void coef_map_forward(CoefMap, R factor, int64_t T, int64_t C, const R* x, const R* b, R* y);                        \
  /* dx or null, db [C] or null */                                                                                     \
  void coef_map_backward(CoefMap, R factor, int64_t T, int64_t C, const R* x, const R* b, const R* dy, R* dx, R* db);  \
  /* y = softplus(beta - x) - softplus(-x) = log(e^beta + (1 - e^beta) sigmoid(x)); beta [C] <= 0, -inf: log sigmoid   \
   */                                                                                                                  \
  void bounded_decay_forward(int64_t T, int64_t C, const R* beta, const R* x, R* y);                                   \
  /* dx required; dbeta [C] or null */                                                                                 \
  void bounded_decay_backward(int64_t T, int64_t C, const R* beta, const R* x, const R* dy, R* dx, R* dbeta);          \
  /* coeff [T, H], x and y [T, H*d] */                                                                                 \
  void head_scale_forward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, R* y);                          \
  /* dcoeff or null, dx or null */                                                                                     \
  void head_scale_backward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, const R* dy, R* dcoeff,        \
                           R* dx);                                                                                     \
  /* y = a + coeff (b - a), coeff [T, H] */                                                                            \
  void lerp_forward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, R* y);                    \
  /* da, db required; dcoeff or null */                                                                                \
  void lerp_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, const R* dy, R* da,      \
                     R* db, R* dcoeff);                                                                                \
  /* y = x + m (previous - x) with m = mu + delta, or 1 - (mu + delta) if of_x; mu [C], delta [T, C] or null */        \
  void mix_forward(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x, R* y); \
  /* dx, dprevious required; ddelta or null, dmu [C] or null */                                                        \
  void mix_backward(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x,       \
                    const R* dy, R* dx, R* dprevious, R* ddelta, R* dmu);                                              \
  /* y[t,h] = sum_d a w b; w [H*d] or null */                                                                          \
  void head_dot_forward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, R* y);                    \
  /* dy [T, H]; da, db required; dw [H*d] or null */                                                                   \
  void head_dot_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, const R* dy, R* da,      \
                         R* db, R* dw);
HS_DECLARE(float)
HS_DECLARE(double)
#undef HS_DECLARE

}  // namespace hindscan::kernels
