#include "explain/unified_row.h"

namespace hindscan {

template <class R>
const R* unified_row(const Chunk<R>& chunk, const MixerView<R>& view, R scale, SequenceState& carry) {
  Ctx& ctx = chunk.ctx;
  const MixerOps& ops = view.ops();
  const int64_t T = ctx.rows(ops.result), D = ctx.cols(ops.result);
  const std::vector<R> weights = chunk.weights(ops.result);
  set_carry(ctx, carry);
  ctx.clear_grads();
  R* seed = ctx.template grad<R>(ops.result);  // [tokens, D]
  for (int64_t i = 0; !weights.empty() && i < T * D; ++i) seed[i] = weights[static_cast<size_t>(i / D)] * scale;
  for (size_t i = ops.after.size(); i-- > 0;) chain_backward<R>(ctx, ctx.nodes()[ops.after[i]]);
  chain_backward<R>(ctx, ctx.nodes()[ops.core]);
  for (size_t i = ops.before.size(); i-- > 0;) chain_backward<R>(ctx, ctx.nodes()[ops.before[i]]);
  carry = std::move(ctx.adjoint_out[0]);
  return ctx.template grad<R>(ops.source);
}

template const float* unified_row(const Chunk<float>&, const MixerView<float>&, float, SequenceState&);
template const double* unified_row(const Chunk<double>&, const MixerView<double>&, double, SequenceState&);

}  // namespace hindscan
