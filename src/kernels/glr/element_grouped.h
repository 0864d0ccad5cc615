// The real element recurrence with B and C shared by groups of channels, [T, G, N]: channel d uses group d / (D / G).
// Thin drivers over element.h: one call per group on gathered channels; G = 1 is element.h itself.
#pragma once
#include "kernels/glr/element.h"

namespace hindscan::kernels::glr {

// B, C, dB, dC are [T, G, N]; everything else as in element.h.
template <class R>
void element_grouped_forward(const ElementDims&, int64_t G, const ElementCoeffs<R>&, const R* x, R* S, R* y);
template <class R>
void element_grouped_backward(const ElementDims&, int64_t G, const ElementCoeffs<R>&, const R* x, const R* S0,
                              const R* dy, const ElementGrads<R>&);
template <class R>
void element_grouped_value_adjoint(const ElementDims&, int64_t G, const ElementCoeffs<R>&, const R* dy, R* L, R* dx);
template <class R>
void element_grouped_row(const ElementDims&, int64_t G, const ElementCoeffs<R>&, int64_t t, R* row, R* L);
template <class R>
void element_grouped_tile(const ElementDims&, int64_t G, const ElementCoeffs<R>&, ElementMap, int64_t channel,
                          Range rows, Range cols, const ElementMixer<R>&, R* tile);
template <class R>
void element_grouped_block_sums(const ElementDims&, int64_t G, const ElementCoeffs<R>&, int64_t channel,
                                const int64_t* edges, int64_t blocks, R* out);

}  // namespace hindscan::kernels::glr
