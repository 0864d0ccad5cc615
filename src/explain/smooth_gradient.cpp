// "smooth-gradient": the exact gradient, on average over embeddings with random noise, times the input (SmoothGrad:
// Smilkov et al. 2017). noise: its standard deviation in percent of how far the text's embeddings spread.
#include <algorithm>
#include <limits>

#include "base/interval.h"
#include "explain/gradient_walks.h"

namespace hindscan {

namespace {

template <class R>
class SmoothGradient final : public GradientWalks<R> {
 public:
  explicit SmoothGradient(const MethodContext<R>& context)
      : samples_(static_cast<int>(context.spec.number("samples"))),
        share_(static_cast<double>(context.spec.number("noise")) / 100),
        scores_(static_cast<size_t>(context.sizes.T)) {}

  void forward(Ctx& ctx, const Views<R>&, int64_t) override {
    const Var emb = embedding_of(ctx);
    const std::span<const R> all(ctx.template data<R>(emb), static_cast<size_t>(ctx.rows(emb) * ctx.cols(emb)));
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    low_ = std::min(low_, static_cast<double>(*low));
    high_ = std::max(high_, static_cast<double>(*high));
  }

  void prepare(const Model&, const ExplainRequest& request) override { seed_ = request.seed; }

  int walks() const override { return samples_; }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    SampledScores all = sampled(scores_);
    MethodReport report;
    report.notes.push_back({"noise", fmt::format("smooth-gradient: of a standard deviation of {:.3g}, {:.0f} % of how "
                                                 "far the embeddings spread; {} samples",
                                                 spread(), 100 * share_, samples_)});
    report.arrays.push_back(
        token_array({"model", "the gradient of the whole model, on average", kTargetUnit}, std::move(all.means)));
    report.arrays.push_back(token_array({"standard-error", kErrorsOfSamples, kTargetUnit}, std::move(all.errors)));
    return report;
  }

 protected:
  void change_token(int walk, int64_t token, std::span<R> x, std::span<double> way) override {
    Rng noise(mix64(seed_ ^ mix64(static_cast<uint64_t>(walk))) ^ static_cast<uint64_t>(token), "noise");
    for (size_t c = 0; c < x.size(); ++c) {
      way[c] = static_cast<double>(x[c]);
      x[c] = static_cast<R>(way[c] + spread() * noise.normal());
    }
  }
  void gather(int, int64_t token, double along) override { scores_[static_cast<size_t>(token)].add(along); }

 private:
  double spread() const { return share_ * (high_ - low_); }

  int samples_;
  double share_;
  uint64_t seed_ = 0;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
  std::vector<RunningMean> scores_;  // [T]
};

}  // namespace

HS_REVERSE_METHOD(smooth_gradient, SmoothGradient)

}  // namespace hindscan
