// How much of the text a counterfactual scan really runs around an edit.
#pragma once
#include <cstdint>

namespace hindscan {

struct ScanReach {
  int64_t window = 4, tail = 4;  // tokens that are run behind an edit and before the target, >= 0
};

}  // namespace hindscan
