// The fast float paths behind head.h. head.cpp chooses; each function takes the arguments of its namesake in head.h.
#pragma once
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

inline bool has_rank1(const HeadCoeffs<float>& c) { return c.b != nullptr; }

// Diagonal transitions (none, scalar, row), any R: token by token, states in registers (head_sweep.cpp).
void diagonal_forward(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y);
void diagonal_backward(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0, const float* dy,
                       const HeadGrads<float>&);
void diagonal_value_adjoint(const HeadDims&, const HeadCoeffs<float>&, const float* dy, float* dS, float* dv);
// One head, columns of v and y; current [T, R, R] of that head or null.
struct SweepScratch;
void diagonal_forward_head(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* current, int64_t h,
                           TileRange columns, float* S, float* y, SweepScratch*);

// None and scalar, any R: products of blocks of tokens (head_scalar.cpp). Row, R = 1 (head_row_decay.cpp).
void scalar_forward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y);
void scalar_backward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0,
                             const float* dy, const HeadGrads<float>&);
void row_forward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y);
void row_backward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0, const float* dy,
                          const HeadGrads<float>&);

// Row + rank 1 (head_delta*.cpp). The chunked forms want R = 1.
void delta_forward(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y);
void delta_forward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, float* S, float* y);
void delta_backward(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0, const float* dy,
                    const HeadGrads<float>&);
void delta_backward_chunked(const HeadDims&, const HeadCoeffs<float>&, const float* v, const float* S0, const float* dy,
                            const HeadGrads<float>&);
void delta_value_adjoint(const HeadDims&, const HeadCoeffs<float>&, const float* dy, float* dS, float* dv);

// Every structure: a row vector times alpha, lanes along K (head_attention.cpp).
void row_times_vector(const HeadDims&, const HeadCoeffs<float>&, const float* w, float* carry, float* out);

// head_tile through the value adjoint (head_tile.cpp).
void tile_by_adjoint(const HeadDims&, const HeadCoeffs<float>&, HeadMap, int64_t head, TileRange I, TileRange J,
                     const HeadTileFold<float>&, float* out);

}  // namespace hindscan::kernels::glr
