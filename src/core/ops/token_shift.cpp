// Role token mix: every token gets the row before it. The last row is carried ("shift"); its adjoint is kept apart per
// mixer path.
#include <cstring>

#include "core/context.h"

namespace hindscan {

Var Ctx::token_shift(Var x) {
  const int64_t C = cols(x);
  const std::vector<int64_t> shape = {C};
  const std::string name = state_name("shift");
  const std::vector<Segment> segments = layout(x).segments;
  const size_t row = static_cast<size_t>(C);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (const Segment& s : segments) {
      const int64_t n = s.end - s.begin;
      const void* carried = s.carries_in ? state_in(s.seq, name, shape) : nullptr;
      const ArenaScope scope(scratch_);
      R* first = scratch_.array<R>(row);  // [C] the row before the segment
      if (carried == nullptr)
        std::memset(first, 0, row * sizeof(R));
      else
        std::memcpy(first, carried, row * sizeof(R));
      if (n > 0) {
        std::memcpy(y + s.begin * C, first, row * sizeof(R));
        std::memcpy(y + (s.begin + 1) * C, xv + s.begin * C, static_cast<size_t>(n - 1) * row * sizeof(R));
      }
      if (s.carries_out)
        std::memcpy(carry_out<R>(s.seq, name, shape), n > 0 ? xv + (s.end - 1) * C : first, row * sizeof(R));
    }
    record(Role::kTokenMix, {x}, out, {}, [=, this](const LocalRule& rule) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      const std::string slot = rule.slot(name);
      for (const Segment& s : segments) {
        const int64_t n = s.end - s.begin;
        const size_t seq = static_cast<size_t>(s.seq);
        const R* future =
            s.carries_out ? static_cast<const R*>(adjoint_in[seq].get(slot, shape, options_.compute)) : nullptr;
        if (n > 0) {
          kernels::accumulate((n - 1) * C, dy + (s.begin + 1) * C, dx + s.begin * C);
          if (future != nullptr) kernels::accumulate(C, future, dx + (s.end - 1) * C);
        }
        if (!s.carries_in) continue;
        R* past = static_cast<R*>(adjoint_out[seq].put(slot, shape, options_.compute));
        if (n > 0)
          std::memcpy(past, dy + s.begin * C, row * sizeof(R));
        else if (future != nullptr)
          std::memcpy(past, future, row * sizeof(R));
        else
          std::memset(past, 0, row * sizeof(R));
      }
    });
  });
  return out;
}

}  // namespace hindscan
