// "expected-gradients": integrated gradients from many baselines, each at one random place of its own way (Erion et al.
// 2021). On average the scores add up to what the target is above its mean over the baselines; how far these few are
// from that is printed with its standard error.
#include <cmath>

#include "base/interval.h"
#include "explain/embedding_baseline.h"
#include "explain/gradient_walks.h"

namespace hindscan {

namespace {

template <class R>
class ExpectedGradients final : public GradientWalks<R> {
 public:
  explicit ExpectedGradients(const MethodContext<R>& context)
      : sizes_(context.sizes),
        samples_(static_cast<int>(context.spec.number("samples"))),
        baseline_("plausible", true),
        scores_(static_cast<size_t>(sizes_.T)),
        sums_(static_cast<size_t>(samples_), 0.0),
        values_(static_cast<size_t>(samples_), 0.0) {}

  void forward(Ctx& ctx, const Views<R>&, int64_t first) override {
    if (first == 0) baseline_.find(ctx);
  }

  void prepare(const Model& model, const ExplainRequest& request) override {
    baseline_.draw(model, request, sizes_.end, static_cast<size_t>(samples_));
    Rng rng(request.seed, "places");
    for (int s = 0; s < samples_; ++s) places_.push_back(1 - rng.uniform());  // (0, 1]
  }

  int walks() const override { return 2 * samples_; }  // on the way, and at its beginning

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override;

 protected:
  void change_token(int walk, int64_t token, std::span<R> x, std::span<double> way) override {
    const std::span<const double> base = baseline_.row(sample(walk), token);  // [C]
    for (size_t c = 0; c < x.size(); ++c) {
      way[c] = static_cast<double>(x[c]) - base[c];
      x[c] = static_cast<R>(base[c] + place(walk) * way[c]);
    }
  }
  bool wants_gradient(int walk) const override { return walk % 2 == 0; }
  void reached(int walk, double value) override {
    if (walk % 2 == 1) values_[sample(walk)] = value;
  }
  void gather(int walk, int64_t token, double along) override {
    scores_[static_cast<size_t>(token)].add(along);
    sums_[sample(walk)] += along;
  }

 private:
  static size_t sample(int walk) { return static_cast<size_t>(walk / 2); }
  double place(int walk) const { return walk % 2 == 1 ? 0 : places_[sample(walk)]; }

  WalkSizes sizes_;
  int samples_;
  EmbeddingBaseline<R> baseline_;
  std::vector<double> places_;         // [samples]
  std::vector<RunningMean> scores_;    // [T]
  std::vector<double> sums_, values_;  // [samples] of all scores, and the target at the baseline
};

template <class R>
MethodReport ExpectedGradients<R>::finish(const SequenceState* state_in, const TargetReport& target) {
  SampledScores all = sampled(scores_);
  RunningMean baseline, missed;  // missed: how far the scores of a sample are from its own way
  for (size_t s = 0; s < sums_.size(); ++s) {
    baseline.add(values_[s]);
    missed.add(target.value() - values_[s] - sums_[s]);
  }
  ScoreArray scores = token_array({"model", "the whole model, on average over ways from other texts", kTargetUnit},
                                  std::move(all.means));
  scores.no_token = baseline.mean();
  scores.completeness = {target.value(), target.value() - scores.sum - baseline.mean()};
  MethodReport report;
  report.label = fmt::format(
      "{} texts drawn by chance: the scores should add up to {:.3g}, and do so within {:.2g} (standard error {:.2g})",
      samples_, target.value() - baseline.mean(), std::abs(missed.mean()), missed.standard_error().value_or(0));
  report.notes.push_back({"baseline", baseline_.note()});
  if (state_in != nullptr)
    report.notes.push_back({"baseline", "starts from the same state: what that brings is in \"no token\""});
  report.arrays.push_back(std::move(scores));
  report.arrays.push_back(token_array({"standard-error", kErrorsOfSamples, kTargetUnit}, std::move(all.errors)));
  return report;
}

}  // namespace

HS_REVERSE_METHOD(expected_gradients, ExpectedGradients)

}  // namespace hindscan
