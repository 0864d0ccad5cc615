// The adjoint of the whole model under rules that hold every coefficient at the value it took on this text: what a
// method says with other rules is one small file (frozen.cpp, half.cpp).
#pragma once
#include <string>
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

// Scores are embeddings times their adjoint. Rules that hand on all of the relevance make them, the initial state and
// the biases add up to the target.
template <class R>
class LinearOperator : public ReverseMethod<R> {
 public:
  void back(const Chunk<R>& chunk) override;
  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override;

 protected:
  // words: what the scores show.
  LinearOperator(const MethodContext<R>& context, const AdjointRules& rules, std::string words);

 private:
  void back_through(const Chunk<R>& chunk, size_t m);

  WalkSizes sizes_;
  AdjointRules rules_;
  std::string words_;
  ScoreMap map_;
  SequenceState carry_;
  std::vector<double> adjoint_;  // [window, d_model]
  double bias_ = 0, skip_ = 0;
};

}  // namespace hindscan
