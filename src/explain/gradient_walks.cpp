#include "explain/gradient_walks.h"

namespace hindscan {

template <class R>
void GradientWalks<R>::change(int walk, int64_t first, int64_t count, int64_t C, R* rows) {
  ways_.resize(static_cast<size_t>(count * C));
  const auto width = static_cast<size_t>(C);
  for (int64_t t = 0; t < count; ++t)
    change_token(walk, first + t, {rows + t * C, width}, {ways_.data() + t * C, width});
}

template <class R>
void GradientWalks<R>::back_again(int walk, const Chunk<R>& chunk) {
  if (chunk.target_row >= 0) {
    carry_ = {};
    reached(walk, chunk.value);
  }
  if (!wants_gradient(walk)) return;
  Ctx& ctx = chunk.ctx;
  back_exactly(chunk, carry_);
  const Var emb = embedding_of(ctx);
  const int64_t C = ctx.cols(emb);
  const R* dx = ctx.template grad<R>(emb);  // [count, C]
  for (int64_t t = 0; t < chunk.count; ++t) {
    double along = 0;
    for (int64_t c = t * C; c < (t + 1) * C; ++c) along += ways_[static_cast<size_t>(c)] * static_cast<double>(dx[c]);
    gather(walk, chunk.first + t, along);
  }
}

SampledScores sampled(std::span<const RunningMean> scores) {
  SampledScores out;
  for (const RunningMean& score : scores) {
    out.means.push_back(score.mean());
    out.errors.push_back(score.standard_error().value_or(0));
  }
  return out;
}

template class GradientWalks<float>;
template class GradientWalks<double>;

}  // namespace hindscan
