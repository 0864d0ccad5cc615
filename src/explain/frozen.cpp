// "frozen": the adjoint of the whole model with every data-dependent coefficient held at the value it took. The model
// is then affine in its embeddings, so the scores, the initial state and the biases add up to the target.
#include <algorithm>

#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class Frozen final : public ReverseMethod<R> {
 public:
  explicit Frozen(const MethodContext<R>& context) : sizes_(context.sizes), map_(make_map(sizes_)) {}

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    seed_output(chunk, chunk.frozen_seed);
    set_carry(ctx, carry_);
    const double bias_before = ctx.bias_share, skip_before = ctx.skip_share;
    size_t end = ctx.nodes().size();
    for (size_t m = ctx.mixers().size(); m-- > 0;) {
      ctx.backward(frozen_rules(), ctx.mixers()[m].last, end);
      back_through(chunk, m);
      end = ctx.mixers()[m].first;
    }
    ctx.backward(frozen_rules(), 0, end);
    bias_ += ctx.bias_share - bias_before;
    skip_ += ctx.skip_share - skip_before;
    carry_ = std::move(ctx.adjoint_out[0]);
    embedding_scores(chunk, sizes_, map_.scores, adjoint_);
  }

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override {
    MethodReport report;
    append(report.arrays, {"model", "the whole model with its coefficients frozen", kTargetUnit, {}, kHeldByLayers},
           std::move(map_));
    ScoreArray& scores = report.arrays.front();
    scores.state = state_dot(state_in, carry_);
    scores.no_token = bias_ + target.bias;
    scores.completeness = {target.value(), target.value() - scores.sum - scores.state - scores.no_token};
    scores.has_adjoint = true;
    report.skip_share = skip_;
    report.adjoint = std::move(adjoint_);
    return report;
  }

 private:
  // One mixer, and its share: what others that read the same array sent back is set aside meanwhile.
  void back_through(const Chunk<R>& chunk, size_t m) {
    Ctx& ctx = chunk.ctx;
    const MixerScope& scope = ctx.mixers()[m];
    const size_t n = static_cast<size_t>(ctx.rows(scope.in) * ctx.cols(scope.in));
    std::vector<R> others;
    if (ctx.has_grad(scope.in)) {
      R* du = ctx.template grad<R>(scope.in);
      others.assign(du, du + n);
      std::fill_n(du, n, R(0));
    }
    ctx.backward(frozen_rules(), scope.first, scope.last);
    R* du = ctx.template grad<R>(scope.in);
    const size_t l = layer_of_scope(chunk.views, m);
    if (l != MixerOps::npos) {
      const int64_t C = ctx.cols(scope.in);
      std::vector<double> rows(static_cast<size_t>(ctx.rows(scope.in)));
      for (size_t t = 0; t < rows.size(); ++t) {
        const size_t at = t * static_cast<size_t>(C);
        rows[t] = row_dot(C, ctx.template data<R>(scope.in) + at, du + at);
      }
      chunk.store(scope.in, std::move(rows), map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
    }
    for (size_t i = 0; i < others.size(); ++i) du[i] += others[i];
  }

  WalkSizes sizes_;
  ScoreMap map_;
  SequenceState carry_;
  std::vector<double> adjoint_;  // [window, d_model]
  double bias_ = 0, skip_ = 0;
};

}  // namespace

HS_REVERSE_METHOD(frozen, Frozen)

}  // namespace hindscan
