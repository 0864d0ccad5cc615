#include "explain/linear_operator.h"

#include <utility>

namespace hindscan {

template <class R>
LinearOperator<R>::LinearOperator(const MethodContext<R>& context, const AdjointRules& rules, std::string words)
    : sizes_(context.sizes), rules_(rules), words_(std::move(words)), map_(make_map(sizes_)) {}

template <class R>
void LinearOperator<R>::back(const Chunk<R>& chunk) {
  Ctx& ctx = chunk.ctx;
  seed_output(chunk, chunk.frozen_seed);
  set_carry(ctx, carry_);
  const double bias_before = ctx.bias_share, skip_before = ctx.skip_share;
  size_t end = ctx.nodes().size();
  for (size_t m = ctx.mixers().size(); m-- > 0;) {
    ctx.backward(rules_, ctx.mixers()[m].last, end);
    back_through(chunk, m);
    end = ctx.mixers()[m].first;
  }
  ctx.backward(rules_, 0, end);
  bias_ += ctx.bias_share - bias_before;
  skip_ += ctx.skip_share - skip_before;
  carry_ = std::move(ctx.adjoint_out[0]);
  embedding_scores(chunk, sizes_, map_.scores, adjoint_);
}

// One mixer, and its share: what others that read the same array sent back is set aside meanwhile.
template <class R>
void LinearOperator<R>::back_through(const Chunk<R>& chunk, size_t m) {
  Ctx& ctx = chunk.ctx;
  const MixerScope& scope = ctx.mixers()[m];
  const std::vector<R> others = set_aside<R>(ctx, scope.in);
  ctx.backward(rules_, scope.first, scope.last);
  const size_t l = layer_of_scope(chunk.views, m);
  if (l != MixerOps::npos)
    chunk.store(scope.in, held_by_rows<R>(ctx, scope.in),
                map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
  put_back(ctx, scope.in, others);
}

template <class R>
MethodReport LinearOperator<R>::finish(const SequenceState* state_in, const TargetReport& target) {
  MethodReport report;
  append(report.arrays, {"model", words_, kTargetUnit, {}, kHeldByLayers}, std::move(map_));
  ScoreArray& scores = report.arrays.front();
  scores.state = state_dot(state_in, carry_);
  scores.no_token = bias_ + target.bias;
  scores.completeness = {target.value(), target.value() - scores.sum - scores.state - scores.no_token};
  scores.has_adjoint = true;
  report.skip_share = skip_;
  report.adjoint = std::move(adjoint_);
  return report;
}

template class LinearOperator<float>;
template class LinearOperator<double>;

}  // namespace hindscan
