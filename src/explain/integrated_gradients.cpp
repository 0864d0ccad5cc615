// "integrated-gradients": the gradient on the way from a baseline text to the text, averaged over steps, times the way
// (Sundararajan, Taly, Yan 2017). The scores and the target of the baseline add up to the target up to the error of
// the sum. The mean embedding is a baseline that norms do not blow up, which they do with the zero one.
#include <algorithm>
#include <cmath>

#include "explain/embedding_baseline.h"
#include "explain/gradient_walks.h"

namespace hindscan {

namespace {

constexpr double kWorthSaying = 0.01;  // share of what is to be explained that the sum misses

template <class R>
class IntegratedGradients final : public GradientWalks<R> {
 public:
  explicit IntegratedGradients(const MethodContext<R>& context)
      : sizes_(context.sizes),
        steps_(static_cast<int>(context.spec.number("steps"))),
        baseline_(context.spec.option("baseline"), !context.spec.takes("baseline")),
        scores_(static_cast<size_t>(sizes_.T), 0.0) {}

  void forward(Ctx& ctx, const Views<R>&, int64_t first) override {
    if (first == 0) baseline_.find(ctx);
  }

  void prepare(const Model& model, const ExplainRequest& request) override {
    baseline_.draw(model, request, sizes_.end, 1);
  }

  int walks() const override { return steps_ + 1; }  // the last one at the baseline itself

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override {
    MethodReport report;
    ScoreArray scores =
        token_array({"model", "the whole model, on the way from the baseline", kTargetUnit}, std::move(scores_));
    scores.no_token = at_baseline_;
    scores.completeness = {target.value(), target.value() - scores.sum - at_baseline_};
    const double missed = std::abs(scores.completeness->residual), all = std::abs(target.value() - at_baseline_);
    if (missed > kWorthSaying * all) report.label = misses(all > 0 ? missed / all : 1);
    if (!baseline_.note().empty()) report.notes.push_back({"baseline", baseline_.note()});
    if (state_in != nullptr)
      report.notes.push_back({"baseline", "starts from the same state: what that brings is in \"no token\""});
    report.arrays.push_back(std::move(scores));
    return report;
  }

 protected:
  void change_token(int walk, int64_t token, std::span<R> x, std::span<double> way) override {
    const std::span<const double> base = baseline_.row(0, token);  // [C]
    for (size_t c = 0; c < x.size(); ++c) {
      way[c] = static_cast<double>(x[c]) - base[c];
      x[c] = static_cast<R>(base[c] + place(walk) * way[c]);
    }
  }
  bool wants_gradient(int walk) const override { return walk < steps_; }
  void reached(int walk, double value) override {
    if (walk == steps_) at_baseline_ = value;
  }
  void gather(int, int64_t token, double along) override { scores_[static_cast<size_t>(token)] += along / steps_; }

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

  WalkSizes sizes_;
  int steps_;
  EmbeddingBaseline<R> baseline_;
  std::vector<double> scores_;  // [T]
  double at_baseline_ = 0;      // the target there
};

}  // namespace

HS_REVERSE_METHOD(integrated_gradients, IntegratedGradients)

}  // namespace hindscan
