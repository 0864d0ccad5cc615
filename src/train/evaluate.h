// Held-out loss of a model on texts, each read from a state of zeros at constant memory.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/interval.h"
#include "base/progress.h"
#include "model/model.h"

namespace hindscan {

struct HeldOut {
  double nats_per_token = 0;
  double bits_per_byte = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;
  std::optional<Interval> interval;  // 95 % of nats_per_token, as if tokens were independent
};

class HeldOutSet {
 public:
  HeldOutSet(std::string_view text, const Model& model);  // documents as in data.h
  // max_tokens: of the whole set, taken from the front of every document in proportion; 0: all. Throws Stopped.
  HeldOut evaluate(const Model& model, int64_t max_tokens, ProgressSink* progress) const;
  int64_t tokens() const { return tokens_; }

 private:
  std::vector<std::vector<int32_t>> documents_;
  int64_t tokens_ = 0;
};

}  // namespace hindscan
