// "integrated-gradients": the gradient on the way from a baseline text to the text, averaged over steps, times the way
// (Sundararajan, Taly, Yan 2017). The scores and the target of the baseline add up to the target up to the error of
// the sum. The mean embedding is a baseline that norms do not blow up, which they do with the zero one.
#include <algorithm>
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
        mean_(context.spec.option("baseline") == "mean"),
        mean_was_asked_for_(mean_ && std::any_of(context.spec.options.begin(), context.spec.options.end(),
                                                 [](const auto& o) { return o.first == "baseline"; })) {
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

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override {
    MethodReport report;
    ScoreArray scores =
        token_array({"model", "the whole model, on the way from the baseline", kTargetUnit}, std::move(scores_));
    scores.no_token = at_baseline_;
    scores.completeness = {target.value(), target.value() - scores.sum - at_baseline_};
    const double missed = std::abs(scores.completeness->residual), all = std::abs(target.value() - at_baseline_);
    if (missed > kWorthSaying * all) report.label = misses(all > 0 ? missed / all : 1);
    if (zero_for_want_of_a_mean_) report.notes.push_back({"baseline", "zero: vectors have no table to take a mean of"});
    if (state_in != nullptr)
      report.notes.push_back({"baseline", "starts from the same state: what that brings is in \"no token\""});
    report.arrays.push_back(std::move(scores));
    return report;
  }

 private:
  static std::string misses(double share) {
    constexpr double kTooRough = 0.5;  // no sum of steps comes close on such a way
    const std::string out = share > 10
                                ? "its sum misses more than ten times the way from the baseline"
                                : fmt::format("its sum misses {:.0f} % of the way from the baseline", 100 * share);
    return out + (share > kTooRough ? ": the way is too rough for steps, do not rely on these scores"
                                    : "; more steps come closer");
  }

  double place(int walk) const { return walk == steps_ ? 0 : (walk + 0.5) / steps_; }  // midpoints

  void set_baseline(const Ctx& ctx) {
    baseline_.assign(static_cast<size_t>(ctx.cols(embedding_of(ctx))), 0.0);
    if (!mean_) return;
    const Weight* table = embedding_table(ctx);
    check(table != nullptr || !mean_was_asked_for_, ErrorCode::kUsage,
          "[explain] expected baseline=zero for a model that reads vectors, found mean: it has no table of them");
    zero_for_want_of_a_mean_ = table == nullptr;
    if (table == nullptr) return;
    for (int64_t id = 0; id < table->rows(); ++id) {
      const std::vector<double> row = weight_row(*table, id);  // [d_model]
      for (size_t c = 0; c < row.size(); ++c) baseline_[c] += row[c] / static_cast<double>(table->rows());
    }
  }

  WalkSizes sizes_;
  int steps_;
  bool mean_, mean_was_asked_for_;
  bool zero_for_want_of_a_mean_ = false;
  std::vector<double> scores_;  // [T]
  SequenceState carry_;
  std::vector<double> baseline_;  // [d_model]
  double at_baseline_ = 0;        // the target there
};

}  // namespace

HS_REVERSE_METHOD(integrated_gradients, IntegratedGradients)

}  // namespace hindscan
