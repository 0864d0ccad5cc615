// Role nonlinear: recurrences that read their own output.
#pragma once
#include "core/context.h"

namespace hindscan {

// Recurrences that read their own output; not linear in a state, so they have frozen-gate rows only.
struct Nonlinear {
  enum class Kind : uint8_t { kTanh, kRelu, kGru, kLstm, kSlstm } kind;
  int64_t heads;         // R is block-diagonal over heads
  Var x;                 // [T, gates*H*d] W x + b; gate order: LSTM i f g o, GRU r z n (torch), sLSTM i f z o
  const Weight* R;       // [gates*H*d, d] rows as x, columns the head's own h (heads = 1: torch's weight_hh)
  const Weight* r_bias;  // [gates*H*d] or null
};

namespace ops {

Var nonlinear_recurrence(Ctx& ctx, const Nonlinear& in);  // [T, H*d]

}  // namespace ops
}  // namespace hindscan
