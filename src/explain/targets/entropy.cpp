// How open it is what comes next: the entropy of its distribution, in bits.
#include <cmath>
#include <numbers>

#include "explain/target_measure.h"

namespace hindscan {

double entropy_value(const ReadLogits& read) {
  const double all = all_logits_as_one(read);
  double nats = 0;
  for (const double logit : read.logits) nats -= std::exp(logit - all) * (logit - all);
  return nats / std::numbers::ln2;
}

void entropy_slope(const ReadLogits& read, std::span<double> out) {
  const double all = all_logits_as_one(read), nats = entropy_value(read) * std::numbers::ln2;
  for (size_t i = 0; i < out.size(); ++i) {
    const double log_p = read.logits[i] - all;
    out[i] -= std::exp(log_p) * (log_p + nats) / std::numbers::ln2;
  }
}

}  // namespace hindscan
