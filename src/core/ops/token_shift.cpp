// Role token mix: every token gets the row before it. The last row is carried ("shift"); its adjoint is kept apart per
// mixer path.
#include <cstring>

#include "core/ops/carried.h"

namespace hindscan {

Var Ctx::token_shift(Var x) {
  const int64_t C = cols(x);
  const CarriedSlot before{carry("shift", {C})};
  const std::vector<Segment>& segments = layout(x).segments;
  const size_t row = static_cast<size_t>(C);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (const Segment& s : segments) {
      const int64_t n = s.end - s.begin;
      const ArenaScope scope(scratch_);
      R* first = scratch_.array<R>(row);  // [C] the row before the segment
      before.load(*this, s, first);
      if (n > 0) {
        std::memcpy(y + s.begin * C, first, row * sizeof(R));
        std::memcpy(y + (s.begin + 1) * C, xv + s.begin * C, static_cast<size_t>(n - 1) * row * sizeof(R));
      }
      if (s.carries_out)
        std::memcpy(carry_out<R>(s.seq, before), n > 0 ? xv + (s.end - 1) * C : first, row * sizeof(R));
    }
    if (!record(Role::kTokenMix, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      for (const Segment& s : segments) {
        const int64_t n = s.end - s.begin;
        const R* future = before.adjoint<R>(*this, s, rule);
        if (n > 0) {
          kernels::accumulate((n - 1) * C, dy + (s.begin + 1) * C, dx + s.begin * C);
          if (future != nullptr) kernels::accumulate(C, future, dx + (s.end - 1) * C);
        }
        before.store_adjoint(*this, s, n > 0 ? dy + s.begin * C : future, rule);
      }
    });
  });
  return out;
}

}  // namespace hindscan
