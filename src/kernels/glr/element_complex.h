// The element recurrence with complex A, B, C (S6 as selective_scan supports it: each complex state stands for itself
// and its conjugate) and B, C shared by groups of channels; channel d uses group d / (D / G):
//   S_t[d,n] = exp(dt_t[d] A[d,n]) S_{t-1}[d,n] + dt_t[d] B_t[g,n] x_t[d]
//   y_t[d]   = 2 Re(sum_n C_t[g,n] S_t[d,n])
// so alpha[d,t,j] = 2 Re(sum_n C_t[n] exp(A[d,n] (dt_{j+1} + ... + dt_t)) dt_j B_j[n]). Gradients of complex numbers
// are d/d(re) + i d/d(im). Arithmetic is double for float data too: no model of the zoo spends its time here.
#pragma once
#include <complex>
#include <cstdint>

#include "kernels/glr/element.h"

namespace hindscan::kernels::glr {

struct ElementComplexDims {
  int64_t T, D, N;
  int64_t G = 1;  // groups of B and C; D % G == 0
};

template <class R>
struct ElementComplexCoeffs {
  const R* dt;               // [T, D] step, after softplus, >= 0
  const std::complex<R>* A;  // [D, N] real parts <= 0
  const std::complex<R>* B;  // [T, G, N]
  const std::complex<R>* C;  // [T, G, N]
};

template <class R>
struct ElementComplexGrads {
  R* dx = nullptr;                // [T, D] accumulated, as all but dS; null: not wanted
  R* ddt_write = nullptr;         // [T, D] through dt B x
  R* ddt_decay = nullptr;         // [T, D] through exp(dt A); may alias ddt_write
  std::complex<R>* dA = nullptr;  // [D, N]
  std::complex<R>* dB = nullptr;  // [T, G, N]
  std::complex<R>* dC = nullptr;  // [T, G, N]
  std::complex<R>* dS = nullptr;  // [D, N] in: adjoint of the final state; out: of the initial state (required)
};

// y [T, D] is overwritten; S [D, N] is carried.
template <class R>
void element_complex_forward(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R* x, std::complex<R>* S,
                             R* y);
// States are kept per chunk of tokens and recomputed between; S0 [D, N] is the state before the pass.
template <class R>
void element_complex_backward(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R* x,
                              const std::complex<R>* S0, const R* dy, const ElementComplexGrads<R>&);
// dx[j,d] += sum_i alpha[d,i,j] dy[i,d]; L [D, N] adjoint state, in and out as dS. A row is dy = e_t.
template <class R>
void element_complex_value_adjoint(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R* dy,
                                   std::complex<R>* L, R* dx);
// row[j,d] = alpha[d,t,j] for j <= t ([t + 1, D]); L [D, N] out: as in the value adjoint.
template <class R>
void element_complex_row(const ElementComplexDims&, const ElementComplexCoeffs<R>&, int64_t t, R* row,
                         std::complex<R>* L);
// As element_tile without a folded mixer, and element_block_sums.
template <class R>
void element_complex_tile(const ElementComplexDims&, const ElementComplexCoeffs<R>&, ElementMap, int64_t channel,
                          Range rows, Range cols, R* tile);
template <class R>
void element_complex_block_sums(const ElementComplexDims&, const ElementComplexCoeffs<R>&, int64_t channel,
                                const int64_t* edges, int64_t blocks, R* out);

}  // namespace hindscan::kernels::glr
