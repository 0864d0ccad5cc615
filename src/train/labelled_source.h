// Batches of labelled sequences: every epoch takes each once, in an order of its own.
#pragma once
#include "train/data.h"
#include "train/labelled.h"

namespace hindscan {

class LabelledSource final : public BatchSource {
 public:
  LabelledSource(LabelledSet set, const TrainOptions& options, int64_t vocab_size);
  Batch batch(int64_t step, int64_t micro) const override;  // not from several threads
  uint64_t hash() const override { return hash_; }
  int64_t vocab_size() const override { return vocab_size_; }
  bool labelled() const override { return true; }
  const LabelledSet& set() const { return set_; }

 private:
  int64_t example(int64_t n) const;  // the n-th since the first step

  LabelledSet set_;
  int64_t sequences_, accumulation_, vocab_size_;
  uint64_t seed_, hash_;
  mutable int64_t epoch_ = -1;          // whose order is kept:
  mutable std::vector<int64_t> order_;  // [N]
};

}  // namespace hindscan
