// Gated linear recurrence, element structure (Mamba-1 / S6; arXiv 2312.00752 eq. 2a-2b, selective_scan_ref):
//   S_t[d,n] = exp(dt_t[d] A[d,n]) S_{t-1}[d,n] + dt_t[d] B_t[n] x_t[d]
//   y_t[d]   = sum_n C_t[n] S_t[d,n]
// Unrolled: y_t[d] = sum_{j<=t} alpha[d,t,j] x_j[d] + (carried-in state), with the implicit attention
//   alpha[d,t,j] = sum_n C_t[n] exp(A[d,n] (dt_{j+1}[d] + ... + dt_t[d])) dt_j[d] B_j[n].
// float: fast kernels, dispatched at run time. double: the sequential reference. Nothing here allocates [T,D,N],
// throws, or reads a clock; results do not depend on the number of threads.
#pragma once
#include <cstdint>

namespace hindscan::kernels::glr {

struct ElementDims {
  int64_t T;  // tokens, >= 0
  int64_t D;  // channels (d_inner), >= 1
  int64_t N;  // states per channel (d_state), 1..256
};

// The data-dependent operator. Log decay of (t,d,n) is dt[t,d] * A[d,n] <= 0.
template <class R>
struct ElementCoeffs {
  const R* dt;  // [T, D] step, after softplus, >= 0
  const R* A;   // [D, N] negative reals (-exp(A_log))
  const R* B;   // [T, N] write vector (k)
  const R* C;   // [T, N] read vector (q)
};

// y is overwritten; S [D, N] is the carried-in state and leaves as the state after token T-1.
void element_forward(const ElementDims&, const ElementCoeffs<float>&, const float* x, float* S, float* y);
void element_forward(const ElementDims&, const ElementCoeffs<double>&, const double* x, double* S, double* y);

// Gradients: any pointer may be null (not wanted); all are accumulated (+=) except dS.
template <class R>
struct ElementGrads {
  R* dx = nullptr;         // [T, D]
  R* ddt_write = nullptr;  // [T, D] through dt B x
  R* ddt_decay = nullptr;  // [T, D] through exp(dt A); may alias ddt_write
  R* dA = nullptr;         // [D, N]
  R* dB = nullptr;         // [T, N]
  R* dC = nullptr;         // [T, N]
  R* dS = nullptr;         // [D, N] in: adjoint of the final state; out: adjoint of the initial state (required)
};
// Exact adjoint with chunk checkpoints and recomputation; S0 [D, N] is the initial state of the forward pass.
void element_backward(const ElementDims&, const ElementCoeffs<float>&, const float* x, const float* S0, const float* dy,
                      const ElementGrads<float>&);
void element_backward(const ElementDims&, const ElementCoeffs<double>&, const double* x, const double* S0,
                      const double* dy, const ElementGrads<double>&);

// Value path only, coefficients frozen: dx[j,d] += sum_i alpha[d,i,j] dy[i,d]. L [D, N]: adjoint state, in/out as dS.
// A row of alpha for all channels at once is dy = e_t (see element_row).
void element_value_adjoint(const ElementDims&, const ElementCoeffs<float>&, const float* dy, float* L, float* dx);
void element_value_adjoint(const ElementDims&, const ElementCoeffs<double>&, const double* dy, double* L, double* dx);

// row[j,d] = alpha[d,t,j] for j <= t ([t+1, D], overwritten); L [D, N] out: weight of the initial state in y_t.
void element_row(const ElementDims&, const ElementCoeffs<float>&, int64_t t, float* row, float* L);
void element_row(const ElementDims&, const ElementCoeffs<double>&, int64_t t, double* row, double* L);

// out[j] = (1/D) sum_d sum_i r[i] alpha[d,i,j] ([T], overwritten). g [D, N]: carried adjoint, zero for the last chunk;
// leaves as the carry for the chunk before this one. explain-methods 4.2 (r^T times the channel mean).
void element_row_times_mean(const ElementDims&, const ElementCoeffs<float>&, const float* r, float* g, float* out);
void element_row_times_mean(const ElementDims&, const ElementCoeffs<double>&, const double* r, double* g, double* out);

enum class ElementMap { kChannel, kMean, kMeanAbs, kMeanPositive };

// What folds into the map at mixer fidelity (unified implicit attention, arXiv 2405.16504): rows scaled by the gate,
// columns by the activation's slope sig(c), then the causal convolution. Null members are left out.
template <class R>
struct ElementMixer {
  const R* gate = nullptr;   // [T, D] factor on y_t
  const R* slope = nullptr;  // [T, D] x_t = slope_t * c_t, c = conv output
  const R* conv = nullptr;   // [D, K] taps; c_t = sum_k conv[k] u_{t-K+1+k} (+ bias)
  int64_t K = 0;             // taps
};

struct Range {
  int64_t begin, end;
};

// tile[i - rows.begin, j - cols.begin] for the map ([rows, cols], overwritten, zero above the diagonal).
// kChannel: alpha[channel]; kMean: (1/D) sum_d alpha; kMeanAbs, kMeanPositive: (1/D) sum_d |alpha| or max(alpha, 0).
// Factorised with a reference token inside [cols.end, rows.begin] (explain-methods 4.1): never exp of a positive
// number.
void element_tile(const ElementDims&, const ElementCoeffs<float>&, ElementMap, int64_t channel, Range rows, Range cols,
                  const ElementMixer<float>&, float* tile);
void element_tile(const ElementDims&, const ElementCoeffs<double>&, ElementMap, int64_t channel, Range rows, Range cols,
                  const ElementMixer<double>&, double* tile);

// Exact sums over blocks: out[p,q] = sum over i in block p, j in block q, j <= i, of alpha (channel >= 0: that channel;
// channel = -1: the channel mean). Edges are ascending, edges[0] = 0, edges[blocks] = T. out [blocks, blocks].
// Two passes and (blocks^2) D N work (explain-methods 4.2 f).
void element_block_sums(const ElementDims&, const ElementCoeffs<float>&, int64_t channel, const int64_t* edges,
                        int64_t blocks, float* out);
void element_block_sums(const ElementDims&, const ElementCoeffs<double>&, int64_t channel, const int64_t* edges,
                        int64_t blocks, double* out);

// Bounds of the block sums of |alpha| or max(alpha,0) averaged over channels (state-wise absolute/positive parts,
// explain-methods 4.2 e): lower <= true <= upper, each [blocks, blocks].
void element_block_bounds(const ElementDims&, const ElementCoeffs<float>&, ElementMap, const int64_t* edges,
                          int64_t blocks, float* lower, float* upper);
void element_block_bounds(const ElementDims&, const ElementCoeffs<double>&, ElementMap, const int64_t* edges,
                          int64_t blocks, double* lower, double* upper);

// Independent check of a forward pass, O(T D N) in double: relative residual of y against the recurrence, per token:
// residual[t] = ||y_t - y_ref_t|| / ||y_ref_t|| over channels. S0 [D, N] initial state (null: zero); S0 is advanced.
void element_forward_residual(const ElementDims&, const ElementCoeffs<float>&, const float* x, double* S0,
                              const float* y, double* residual);

const char* element_isa();  // name of the instruction set the float kernels run on ("avx3", "avx2", "scalar", ...)

}  // namespace hindscan::kernels::glr
