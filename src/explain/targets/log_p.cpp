// The logarithm of the probability that one of the tokens comes next, in nats.
#include "explain/target_measure.h"

namespace hindscan {

double log_p_value(const ReadLogits& read) { return group_logit(read, read.own) - all_logits_as_one(read); }

void log_p_slope(const ReadLogits& read, std::span<double> out) {
  add_group_slope(read, read.own, 1, out);
  add_slope_of_all(read, -1, out);
}

}  // namespace hindscan
