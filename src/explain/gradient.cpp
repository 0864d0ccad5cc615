// "gradient": how strongly the target answers to a small change of a token's embedding: the norm of the exact gradient
// there (saliency: Simonyan, Vedaldi, Zisserman 2014). It says how much, never in which direction.
#include <cmath>

#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class Gradient final : public ReverseMethod<R> {
 public:
  explicit Gradient(const MethodContext<R>& context)
      : squares_(context.spec.option("norm") == "l2"), scores_(static_cast<size_t>(context.sizes.T), 0.0) {}

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    back_exactly(chunk, carry_);
    const Var emb = embedding_of(ctx);
    const int64_t C = ctx.cols(emb);
    const R* dx = ctx.template grad<R>(emb);  // [count, C]
    for (int64_t t = 0; t < chunk.count; ++t) scores_[static_cast<size_t>(chunk.first + t)] = norm(C, dx + t * C);
  }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    MethodReport report;
    report.arrays.push_back(token_array(
        {"norm", squares_ ? "the length of the gradient of its embedding" : "the sizes of that gradient, summed",
         kSlopeUnit},
        std::move(scores_)));
    return report;
  }

 private:
  double norm(int64_t C, const R* row) const {
    double sum = 0;
    for (int64_t c = 0; c < C; ++c) {
      const auto g = static_cast<double>(row[c]);
      sum += squares_ ? g * g : std::abs(g);
    }
    return squares_ ? std::sqrt(sum) : sum;
  }

  bool squares_;
  std::vector<double> scores_;  // [T]
  SequenceState carry_;
};

}  // namespace

HS_REVERSE_METHOD(gradient, Gradient)

}  // namespace hindscan
