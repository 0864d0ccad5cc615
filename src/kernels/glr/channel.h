// Gated linear recurrence with one number of state per channel and every coefficient given (element structure, K = 1):
//   S_t = exp(g_t) S_{t-1} + w_t v_t            all [D]
//   kAfter: y_t = r_t S_t     kBefore: y_t = r_t S_{t-1} + u_t v_t
// Members: RG-LRU (w = sqrt(1 - a^2) i), HGRN, RWKV-4's numerator and denominator. Implicit attention, one map a
// channel:
//   alpha[d,t,j] = r_t exp(g_{j+1} + ... + g_t) w_j  (kBefore: the sum stops at g_{t-1}, diagonal u_t).
// float: fast kernels; double: the reference. Nothing here throws or allocates per token.
#pragma once
#include <cstdint>

#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

struct ChannelDims {
  int64_t T, D;
};

template <class R>
struct ChannelCoeffs {
  const R* g;                // [T, D] log decay <= 0; -inf: forget
  const R* w = nullptr;      // [T, D] write weight, null: 1
  const R* r = nullptr;      // [T, D] read weight, null: 1
  Read read = Read::kAfter;  // kAfter or kBefore
  const R* u = nullptr;      // [T, D] weight of the current token with kBefore
};

template <class R>
struct ChannelGrads {
  R *dv = nullptr, *dg = nullptr, *dw = nullptr, *dr = nullptr, *du = nullptr;  // [T, D], accumulated; null: not wanted
  R* dS = nullptr;  // [D] in: final, out: initial (required)
};

void channel_forward(const ChannelDims&, const ChannelCoeffs<float>&, const float* v, float* S, float* y);
void channel_forward(const ChannelDims&, const ChannelCoeffs<double>&, const double* v, double* S, double* y);
// S0 [D]: state before the pass.
void channel_backward(const ChannelDims&, const ChannelCoeffs<float>&, const float* v, const float* S0, const float* dy,
                      const ChannelGrads<float>&);
void channel_backward(const ChannelDims&, const ChannelCoeffs<double>&, const double* v, const double* S0,
                      const double* dy, const ChannelGrads<double>&);
// out[j,d] = sum_t x[t,d] alpha[d,t,j] (x null: zeros); carry [D]. Serves as row, value adjoint and row product.
void channel_row_times(const ChannelDims&, const ChannelCoeffs<float>&, const float* x, float* carry, float* out);
void channel_row_times(const ChannelDims&, const ChannelCoeffs<double>&, const double* x, double* carry, double* out);
// Tiles and block sums as in head.h, with channels for heads. gate, slope [T, D] or null.
void channel_tile(const ChannelDims&, const ChannelCoeffs<float>&, HeadMap, int64_t channel, TileRange I, TileRange J,
                  const HeadTileFold<float>&, float* out);
void channel_tile(const ChannelDims&, const ChannelCoeffs<double>&, HeadMap, int64_t channel, TileRange I, TileRange J,
                  const HeadTileFold<double>&, double* out);
void channel_block_sums(const ChannelDims&, const ChannelCoeffs<float>&, int64_t channel, const int64_t* edges,
                        int64_t blocks, float* out);
void channel_block_sums(const ChannelDims&, const ChannelCoeffs<double>&, int64_t channel, const int64_t* edges,
                        int64_t blocks, double* out);

// Running maximum of a normalised recurrence, so that every exponential is <= 1 (numerator and denominator scale
// alike):
//   m_t = max(m_{t-1} + f_t, i_t)      f [T, D] log forget, i [T, D] log input; m0 [D] in: before, out: after (-inf at
//   start) g_t = f_t + m_{t-1} - m_t, w_t = exp(i_t - m_t); m [T, D] is written.
// RWKV-4 reads before the write with the current token at i_t + u: o_t = max(m_{t-1}, i_t + bonus),
//   r_t = exp(m_{t-1} - o_t), u_t = exp(i_t + bonus - o_t); pass bonus [D], r and u, or all three null.
void running_max(const ChannelDims&, const float* f, const float* i, float* m0, float* g, float* w, float* m,
                 const float* bonus, float* r, float* u);
void running_max(const ChannelDims&, const double* f, const double* i, double* m0, double* g, double* w, double* m,
                 const double* bonus, double* r, double* u);

}  // namespace hindscan::kernels::glr
