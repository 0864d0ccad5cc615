// What the ops share in which a coefficient acts on a signal.
#pragma once
#include "core/context.h"

namespace hindscan {

// Heads of a coefficient [T, H] for a signal [T, H*d].
inline int64_t coefficient_heads(const Ctx& c, const char* op, Var coeff, Var signal) {
  const int64_t H = c.cols(coeff), C = c.cols(signal);
  check(c.rows(coeff) == c.rows(signal) && H > 0 && C % H == 0, ErrorCode::kInternal,
        "[{}] expected a coefficient [{}, {}] or one number per head, found [{}, {}]", op, c.rows(signal), C,
        c.rows(coeff), H);
  return H;
}

}  // namespace hindscan
