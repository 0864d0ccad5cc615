// Norms, activations, gates, convolution, embedding and loss on contiguous row-major [T, C] arrays.
// Every function has a float (fast) and a double (reference) overload; gradients accumulate (+=) unless said.
// Pointers marked "or null" may be null. Nothing here depends on the number of threads.
#pragma once
#include <cstdint>

namespace hindscan::kernels {

#define HS_FOR_REALS(X) X(float) X(double)

enum class Act : uint8_t { kSilu, kSoftplus, kSigmoid, kGelu, kRelu2, kTanh, kIdentity, kRelu, kGeluTanh };
// Adjoint of an activation: the derivative; or y/x held fixed (identity rule: silu(x) = x * sigmoid(x), slope frozen).
enum class ActRule : uint8_t { kExact, kFrozenSlope };

#define HS_DECLARE(R)                                                                                                  \
  /* y = x * rstd * w; rstd [T] = 1/sqrt(mean(x^2) + eps) is written; w [C] or null (weightless) */                    \
  void rmsnorm_forward(int64_t T, int64_t C, const R* x, const R* w, R eps, R* y, R* rstd);                            \
  /* freeze_scale: rstd is a constant. dx or null, dw or null */                                                       \
  void rmsnorm_backward(int64_t T, int64_t C, const R* x, const R* w, const R* rstd, const R* dy, bool freeze_scale,   \
                        R* dx, R* dw);                                                                                 \
  void act_forward(Act, int64_t n, const R* x, R* y);                                                                  \
  void act_backward(Act, ActRule, int64_t n, const R* x, const R* dy, R* dx);                                          \
  /* slope[i] = y/x with the limit at 0 (silu: sigmoid(x)) */                                                          \
  void act_slope(Act, int64_t n, const R* x, R* slope);                                                                \
  /* y = act(x + b), b [C]: the step dt = softplus(dt_raw + dt_bias) */                                                \
  void bias_act_forward(Act, int64_t T, int64_t C, const R* x, const R* b, R* y);                                      \
  /* dx or null, db [C] or null */                                                                                     \
  void bias_act_backward(Act, int64_t T, int64_t C, const R* x, const R* b, const R* dy, R* dx, R* db);                \
  void neg_exp(int64_t n, const R* x, R* y); /* y = -exp(x): A from A_log */                                           \
  void gate_forward(int64_t n, const R* a, const R* b, R* y);                                                          \
  /* da += scale_a * dy * b (or null), db += scale_b * dy * a (or null) */                                             \
  void gate_backward(int64_t n, const R* a, const R* b, const R* dy, R scale_a, R scale_b, R* da, R* db);              \
  void add_forward(int64_t n, const R* a, const R* b, R* y);                                                           \
  void accumulate(int64_t n, const R* from, R* to);        /* to += from */                                            \
  void add_bias(int64_t T, int64_t C, const R* b, R* y);   /* y[t,c] += b[c] */                                        \
  void sum_rows(int64_t T, int64_t C, const R* dy, R* db); /* db[c] += sum_t dy[t,c] */                                \
  /* y = base + d * x, the skip D x; base or null */                                                                   \
  void skip_forward(int64_t T, int64_t C, const R* base, const R* d, const R* x, R* y);                                \
  void skip_backward(int64_t T, int64_t C, const R* d, const R* x, const R* dy, R* dx, R* dd);                         \
  /* causal depthwise conv: y[t,c] = b[c] + sum_k w[c,k] u[t-K+1+k,c]; u[<0] from past [K-1, C] (oldest first).        \
     w [C, K] (checkpoint [C,1,K]); b or null. past is advanced to the last K-1 inputs. */                             \
  void conv1d_forward(int64_t T, int64_t C, int64_t K, const R* w, const R* b, const R* x, R* past, R* y);             \
  /* past0: the past before the forward pass. dpast [K-1, C] in: adjoint of the past left behind; out: adjoint of      \
     past0 (required, overwritten). dx, dw, db or null. */                                                             \
  void conv1d_backward(int64_t T, int64_t C, int64_t K, const R* w, const R* x, const R* past0, const R* dy, R* dpast, \
                       R* dx, R* dw, R* db);                                                                           \
  void embedding_forward(int64_t T, int64_t C, const int32_t* ids, const R* table, R* y);                              \
  void embedding_backward(int64_t T, int64_t C, const int32_t* ids, const R* dy, R* dtable);                           \
  /* logits [T, V] -> losses [T] = -log softmax[target] (nats). If dlogits: dlogits = weight[t] * (softmax - onehot),  \
     may alias logits; weight [T] or null (1). */                                                                      \
  void cross_entropy(int64_t T, int64_t V, const R* logits, const int32_t* targets, const R* weight, R* losses,        \
                     R* dlogits);                                                                                      \
  double sum_squares(int64_t n, const R* x); /* fixed order */                                                         \
  bool all_finite(int64_t n, const R* x);
HS_FOR_REALS(HS_DECLARE)
#undef HS_DECLARE

// One AdamW step on a float tensor (decoupled decay; Loshchilov & Hutter 2019). bias1 = 1-beta1^t, bias2 = 1-beta2^t.
struct AdamW {
  float lr, beta1, beta2, eps, weight_decay, bias1, bias2, grad_scale;
};
void adamw_update(const AdamW&, int64_t n, const float* g, float* w, float* m, float* v);

const char* pointwise_isa();

}  // namespace hindscan::kernels
