// The rollout of the papers' released code: of every layer one row, the target's, stands for all rows of its map, so
// that I + 1 a^T is multiplied, last layer first.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

class RankOneRollout {
 public:
  // normalised: every row of I + 1 a^T divided by its sum.
  RankOneRollout(int64_t tokens, bool normalised)
      : normalised_(normalised), r_(static_cast<size_t>(tokens), 0.0), stage_row_(r_.size(), 0.0) {}

  // On the way back, every chunk: what is explained, in the text's order.
  template <class R>
  void start(const Chunk<R>& chunk) {
    const std::vector<R> weights = chunk.weights(chunk.orders.reference());
    if (weights.empty()) return;
    const std::vector<double> rows =
        chunk.orders.move(chunk.orders.reference(), chunk.orders.text(), {weights.begin(), weights.end()});
    std::copy_n(rows.begin(), chunk.count, r_.begin() + chunk.first);
  }

  // a [tokens], the last layer first; the rows of one stage stand side by side and add up.
  void add(std::span<const double> a, size_t stage) {
    if (stage != stage_) multiply();
    stage_ = stage;
    for (size_t t = 0; t < a.size(); ++t) stage_row_[t] += a[t];
  }

  const std::vector<double>& finish() {
    multiply();
    return r_;
  }
  // The smallest |1 + sum of a row|, by which a normalised rollout divides: signed rows may bring it near zero.
  double smallest() const { return smallest_; }

 private:
  void multiply() {
    if (stage_ == kNone) return;
    const double sum = std::accumulate(stage_row_.begin(), stage_row_.end(), 1.0),
                 all = std::accumulate(r_.begin(), r_.end(), 0.0);
    if (normalised_) smallest_ = std::min(smallest_, std::abs(sum));
    for (size_t t = 0; t < r_.size(); ++t) {
      r_[t] = (r_[t] + all * stage_row_[t]) / (normalised_ ? sum : 1);
      stage_row_[t] = 0;
    }
  }

  static constexpr size_t kNone = std::numeric_limits<size_t>::max();  // before the first row
  bool normalised_;
  std::vector<double> r_, stage_row_;  // [tokens]
  size_t stage_ = kNone;
  double smallest_ = std::numeric_limits<double>::infinity();
};

}  // namespace hindscan
