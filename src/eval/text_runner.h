// One text read again in other versions: what becomes of the two tokens that its target sets against each other.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "explain/report.h"
#include "model/model.h"

namespace hindscan {

// Of a version of the text, or the difference to the text itself.
struct Outcome {
  double contrast = 0;  // logit of the target minus that of the foil; of the target alone without a foil
  double log_p = 0;     // of the target, nats
};

class TextRunner {
 public:
  // Target and foil stay those of the unedited text. most: tokens a pass.
  TextRunner(const Model& model, std::span<const int32_t> tokens, const TargetReport& target, int64_t most);

  const Outcome& unedited() const { return unedited_; }
  // Values of whole texts, none of them empty.
  std::vector<Outcome> values(std::span<const std::vector<int32_t>> texts);
  int64_t texts_run() const { return texts_run_; }

 private:
  Outcome outcome(const float* logits) const;
  void run(std::span<const std::vector<int32_t>> texts, std::vector<Outcome>& out);

  const Model& model_;
  const TargetReport& target_;
  int64_t most_, texts_run_ = 0;
  Runner runner_;
  Outcome unedited_;
};

}  // namespace hindscan
