// The 95 % interval of a measured number.
#pragma once

namespace hindscan {

struct Interval {
  double low = 0, high = 0;
};

}  // namespace hindscan
