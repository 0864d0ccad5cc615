// Methods that ask for the gradient at other embeddings than the text's own: walks over changed ones.
#pragma once
#include "base/interval.h"
#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
class GradientWalks : public ReverseMethod<R> {
 public:
  void change(int walk, int64_t first, int64_t count, int64_t C, R* rows) final;
  void back_again(int walk, const Chunk<R>& chunk) final;

 protected:
  // Changes the embedding of a token, x [C], and says what its gradient there is multiplied with, way [C].
  virtual void change_token(int walk, int64_t token, std::span<R> x, std::span<double> way) = 0;
  virtual bool wants_gradient(int /*walk*/) const { return true; }
  // The target at the embeddings of a walk, before their gradient is asked for.
  virtual void reached(int /*walk*/, double /*value*/) {}
  // <way, gradient> of a token.
  virtual void gather(int walk, int64_t token, double along) = 0;

 private:
  SequenceState carry_;
  std::vector<double> ways_;  // [count, C] of the chunk that was changed last, which is the one that is run back
};

// A mean over samples for each token, with its standard error.
struct SampledScores {
  std::vector<double> means, errors;  // [T]
};
SampledScores sampled(std::span<const RunningMean> scores);
inline constexpr const char* kErrorsOfSamples =
    "of the mean of each token, over the samples; those of several tokens do not add up";

}  // namespace hindscan
