#include "train/labelled_source.h"

#include <numeric>

#include "base/hash.h"
#include "base/rng.h"

namespace hindscan {

LabelledSource::LabelledSource(LabelledSet set, const TrainOptions& o, int64_t vocab_size)
    : set_(std::move(set)),
      sequences_(o.sequences),
      accumulation_(o.accumulation),
      vocab_size_(vocab_size),
      seed_(o.seed),
      hash_(set_.hash()) {}

int64_t LabelledSource::example(int64_t n) const {
  const int64_t epoch = n / set_.size();
  if (epoch != epoch_) {
    order_.resize(static_cast<size_t>(set_.size()));
    std::iota(order_.begin(), order_.end(), int64_t{0});
    Rng rng(seed_, "examples", static_cast<uint64_t>(epoch));
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i)]);
    epoch_ = epoch;
  }
  return order_[static_cast<size_t>(n % set_.size())];
}

Batch LabelledSource::batch(int64_t step, int64_t micro) const {
  std::vector<int64_t> rows;  // [B]
  for (int64_t b = 0; b < sequences_; ++b) rows.push_back(example((step * accumulation_ + micro) * sequences_ + b));
  Batch out;
  out.cu_seqlens = {0};
  out.feature_dim = set_.feature_dim;
  append_sequences(set_, rows, out.tokens, out.features, out.cu_seqlens);
  for (const int64_t i : rows) {
    if (!set_.classes.empty()) out.targets.push_back(set_.classes[static_cast<size_t>(i)]);
    for (int64_t k = 0; k < set_.outputs && !set_.values.empty(); ++k)
      out.values.push_back(set_.values[static_cast<size_t>(i * set_.outputs + k)]);
  }
  out.mask.assign(rows.size(), 1.0f);
  return out;
}

}  // namespace hindscan
