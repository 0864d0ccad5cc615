// Products of a weight's rows in the storage the pass asks for, and what a bias adds up to; shared by the ops that have
// them.
#pragma once
#include "core/context.h"

namespace hindscan {

// y [M, count] = x [M, in] times rows [first, first + count) of w.
template <class R>
void linear_forward(Ctx& ctx, const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, R* y);
// dx [M, in] = dx_beta dx + dy w, and the gradient of those rows when wanted. dx may be null.
template <class R>
void linear_backward(Ctx& ctx, const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, const R* dy, R* dx,
                     R dx_beta, bool want_dw);
// dy [M, C] of C numbers of a bias from `first` on: its share and its gradient.
template <class R>
void bias_backward(Ctx& ctx, const Weight& bias, int64_t first, int64_t M, int64_t C, const R* dy,
                   const LocalRule& rule);

}  // namespace hindscan
