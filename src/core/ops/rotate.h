// Role rotate: pairs of channels turned by angles.
#pragma once
#include "core/context.h"

namespace hindscan {

// Rotary positions whose rates are not plain powers of a base.
struct RopeScale {
  std::vector<double> rates;  // [rotary_dim / 2] angles of one step
  double size = 1;            // what turns is multiplied by it (YaRN)
  int64_t positions = 0;      // > 0: so many and no more (dynamic NTK)
};

struct Rope {
  int64_t heads, head_dim;
  int64_t rotary_dim;  // the first rotary_dim channels of each head turn, the rest pass
  double base = 10000;
  bool interleaved = false;  // pairs (2i, 2i+1); else (i, i + rotary_dim / 2)
  std::shared_ptr<const RopeScale> scale = nullptr;
};

namespace ops {

Var rope(Ctx& ctx, const Rope& rope, Var x);                              // by the position in the sequence
Var rotate(Ctx& ctx, Var x, Var theta, int64_t heads, bool interleaved);  // by theta [T, heads_theta * S]
Var phase(Ctx& ctx, Var angle, Var dt, int64_t heads);                    // Mamba-3: running sum of pi tanh(angle) dt

}  // namespace ops
}  // namespace hindscan
