// "integrated-gradients": the gradient on the way from a baseline text to the text, averaged over steps, times the way
// (Sundararajan, Taly, Yan 2017). The scores and the target of the baseline add up to the target up to the error of
// the sum. The mean embedding is a baseline that norms do not blow up, which they do with the zero one.
#include <cmath>

#include "explain/reverse_method.h"
#include "explain/target.h"

namespace hindscan {

namespace {

constexpr double kWorthSaying = 0.01;  // share of what is to be explained that the sum misses

template <class R>
class IntegratedGradients final : public ReverseMethod<R> {
 public:
  explicit IntegratedGradients(const MethodContext<R>& context)
      : sizes_(context.sizes),
        steps_(static_cast<int>(context.spec.number("steps"))),
        mean_(context.spec.option("baseline") == "mean") {
    scores_.assign(static_cast<size_t>(sizes_.T), 0.0);
  }

  void forward(const Ctx& ctx, const Views<R>&, int64_t first) override {
    if (first == 0) set_baseline(ctx);
  }

  int walks() const override { return steps_ + 1; }  // the last one at the baseline itself

  void change(int walk, int64_t, int64_t count, int64_t C, R* rows) override {
    const double along = place(walk);
    for (int64_t i = 0; i < count * C; ++i) {
      const double base = baseline_[static_cast<size_t>(i % C)];
      rows[i] = static_cast<R>(base + along * (static_cast<double>(rows[i]) - base));
    }
  }

  void back_again(int walk, const Chunk<R>& chunk) override {
    if (walk == steps_) {
      if (chunk.target_row >= 0) at_baseline_ = chunk.value;
      return;
    }
    Ctx& ctx = chunk.ctx;
    if (chunk.target_row >= 0) carry_ = {};
    seed_output(chunk, chunk.seed);
    set_carry(ctx, carry_);
    ctx.backward(exact_rules());
    carry_ = std::move(ctx.adjoint_out[0]);
    const Var emb = embedding_of(ctx);
    const int64_t C = ctx.cols(emb);
    const R *x = ctx.template data<R>(emb), *dx = ctx.template grad<R>(emb);  // [count, C]
    for (int64_t i = 0; i < chunk.count * C; ++i) {
      const double way = (static_cast<double>(x[i]) - baseline_[static_cast<size_t>(i % C)]) / place(walk);
      scores_[static_cast<size_t>(chunk.first + i / C)] += way * static_cast<double>(dx[i]) / steps_;
    }
  }

  MethodReport finish(const SequenceState*, const TargetReport& target) override {
    MethodReport report;
    ScoreArray scores =
        token_array({"model", "the whole model, on the way from the baseline", kTargetUnit}, std::move(scores_));
    scores.no_token = at_baseline_;
    scores.completeness = {target.value(), target.value() - scores.sum - at_baseline_};
    const double missed = std::abs(scores.completeness->residual), all = std::abs(target.value() - at_baseline_);
    if (missed > kWorthSaying * all)
      report.label = fmt::format("its sum misses {:.0f} % of the way from the baseline; more steps come closer",
                                 all > 0 ? 100 * missed / all : 100.0);
    report.arrays.push_back(std::move(scores));
    return report;
  }

 private:
  double place(int walk) const { return walk == steps_ ? 0 : (walk + 0.5) / steps_; }  // midpoints

  void set_baseline(const Ctx& ctx) {
    baseline_.assign(static_cast<size_t>(ctx.cols(embedding_of(ctx))), 0.0);
    const Weight* table = embedding_table(ctx);
    if (!mean_ || table == nullptr) return;
    for (int64_t id = 0; id < table->rows(); ++id) {
      const std::vector<double> row = weight_row(*table, id);  // [d_model]
      for (size_t c = 0; c < row.size(); ++c) baseline_[c] += row[c] / static_cast<double>(table->rows());
    }
  }

  WalkSizes sizes_;
  int steps_;
  bool mean_;
  std::vector<double> scores_;  // [T]
  SequenceState carry_;
  std::vector<double> baseline_;  // [d_model]
  double at_baseline_ = 0;        // the target there
};

}  // namespace

HS_REVERSE_METHOD(integrated_gradients, IntegratedGradients)

}  // namespace hindscan
