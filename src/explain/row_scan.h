// Core rows of the target in every layer, and how well each adds up to the layer's output; always walked.
#pragma once
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
class RowScan {
 public:
  explicit RowScan(const WalkSizes& sizes);
  void back(const Chunk<R>& chunk);
  // [layers] ||sum - y|| / ||y||, y the output at the target or its mean over the pooled tokens.
  std::vector<double> residuals() const;
  const ScoreMap& map() const { return map_; }

 private:
  struct Layer {
    RowCarry<R> carry;
    std::vector<double> missing;  // [channels] output at the target less what was found so far
    double norm = 0;              // of y, squared
  };
  void start(const Chunk<R>& chunk, const MixerView<R>& view, const std::vector<R>& weights, Layer& layer) const;
  WalkSizes sizes_;
  std::vector<Layer> layers_;
  std::vector<R> scratch_;
  ScoreMap map_;
};

}  // namespace hindscan
