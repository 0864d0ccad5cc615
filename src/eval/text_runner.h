// One text read again in other versions: what becomes of the two tokens that its target sets against each other.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "explain/edit.h"
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
  // Changes by replacements and removals, each run from the state before its token, which is made once; later tokens
  // keep their positions. Equal ones run once.
  std::vector<Outcome> changes(std::span<const Edit> edits);
  // Values of whole texts, none of them empty.
  std::vector<Outcome> values(std::span<const std::vector<int32_t>> texts);
  int64_t texts_run() const { return texts_run_; }

 private:
  struct Version {
    std::vector<int32_t> tokens;
    SequenceState state;
  };
  Outcome outcome(const float* logits) const;
  void run(std::vector<Version>& versions, std::vector<Outcome>& out);
  bool is_full(const std::vector<Version>& versions, int64_t tokens) const;

  const Model& model_;
  std::span<const int32_t> tokens_;
  const TargetReport& target_;
  int64_t most_, texts_run_ = 0;
  Runner runner_;
  Outcome unedited_;
};

}  // namespace hindscan
