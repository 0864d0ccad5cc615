// The probability that one of the tokens comes next.
#include <cmath>

#include "explain/target_measure.h"

namespace hindscan {

double probability_value(const ReadLogits& read) {
  return std::exp(group_logit(read, read.own) - all_logits_as_one(read));
}

void probability_slope(const ReadLogits& read, std::span<double> out) {
  const double p = probability_value(read);
  add_group_slope(read, read.own, p, out);
  add_slope_of_all(read, -p, out);
}

}  // namespace hindscan
