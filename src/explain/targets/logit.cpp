// The logit of a token, or of a group, less that of another answer.
#include "explain/target_measure.h"

namespace hindscan {

double logit_value(const ReadLogits& read) { return group_logit(read, read.own) - group_logit(read, read.against); }

void logit_slope(const ReadLogits& read, std::span<double> out) {
  add_group_slope(read, read.own, 1, out);
  add_group_slope(read, read.against, -1, out);
}

}  // namespace hindscan
