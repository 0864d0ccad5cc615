// Role conv: causal depthwise convolution; linear, so the adjoint is the transpose under every rule.
// Carries the last K-1 inputs ("conv"); their adjoint is kept apart per mixer path, because paths add up after it.
#include <cstring>

#include "core/context.h"
#include "core/ops/op_support.h"

namespace hindscan {

Var Ctx::causal_conv1d(const Weight& w, const Weight* bias, Var x) {
  const int64_t T = rows(x), C = cols(x), K = w.shape.back();
  check(w.shape == std::vector<int64_t>({C, 1, K}), ErrorCode::kData,
        "[causal_conv1d] {} must be [d_inner, 1, d_conv] = [{}, 1, {}] but is [{}]", w.name, C, K,
        fmt::join(w.shape, ", "));
  const std::vector<int64_t> past_shape = {K - 1, C};
  const std::string name = state_name("conv");
  const size_t past_n = static_cast<size_t>((K - 1) * C);
  const std::vector<Segment>& segments = layout(x).segments;
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    R* pasts = recording() ? arena_->array<R>(segments.size() * past_n) : nullptr;  // [segments, K-1, C] before each
    const R* b = bias == nullptr ? nullptr : bias->as<R>();
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const void* carried = g.carries_in ? state_in(g.seq, name, past_shape) : nullptr;
      const ArenaScope scope(scratch_);
      R* moving = g.carries_out ? carry_out<R>(g.seq, name, past_shape) : scratch_.array<R>(past_n);  // [K-1, C]
      if (carried == nullptr)
        std::memset(moving, 0, past_n * sizeof(R));
      else if (carried != moving)
        std::memcpy(moving, carried, past_n * sizeof(R));
      if (pasts != nullptr) std::memcpy(pasts + s * past_n, moving, past_n * sizeof(R));
      kernels::conv1d_forward(g.end - g.begin, C, K, w.as<R>(), b, data<R>(x) + g.begin * C, moving,
                              data<R>(out) + g.begin * C);
    }
    record(Role::kConv, {x}, out, {&w, bias}, [=, this, &w](const AdjointRules& rules) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      R* dw = rules.weights ? options_.grads->of<R>(w) : nullptr;
      const std::string slot = path_slot(name, rules.path);
      for (size_t s = 0; s < segments.size(); ++s) {
        const Segment& g = segments[s];
        const ArenaScope scope(scratch_);
        R* dpast = scratch_.array<R>(past_n);  // [K-1, C]
        std::memset(dpast, 0, past_n * sizeof(R));
        const size_t seq = static_cast<size_t>(g.seq);
        const void* from_future = g.carries_out ? adjoint_in[seq].get(slot, past_shape, options_.compute) : nullptr;
        if (from_future != nullptr) std::memcpy(dpast, from_future, past_n * sizeof(R));
        kernels::conv1d_backward(g.end - g.begin, C, K, w.as<R>(), data<R>(x) + g.begin * C, pasts + s * past_n,
                                 dy + g.begin * C, dpast, dx + g.begin * C, dw, static_cast<R*>(nullptr));
        if (g.carries_in)
          std::memcpy(adjoint_out[seq].put(slot, past_shape, options_.compute), dpast, past_n * sizeof(R));
      }
      if (bias != nullptr) bias_backward(*bias, 0, T, C, dy, rules);
    });
  });
  return out;
}

}  // namespace hindscan
