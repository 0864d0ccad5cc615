// Core rows as other tools draw them, without the rank-1 term, and how far they are from the exact ones.
#pragma once
#include <vector>

#include "explain/estimator.h"
#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
class KeyDroppingScan {
 public:
  explicit KeyDroppingScan(const WalkSizes& sizes);
  void back(const Chunk<R>& chunk, const Views<R>& dropping);
  void add_to(MethodReport& report);  // its array, and how far it is from the exact one
  EstimatorReport report() const;

 private:
  struct Layer {
    RowCarry<R> exact, dropped;
    EstimatorError error;
    bool differs = false;
  };
  WalkSizes sizes_;
  std::vector<Layer> layers_;
  std::vector<int> numbers_;  // of the layers
  ScoreMap map_;
};

}  // namespace hindscan
