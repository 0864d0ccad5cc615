// How much memory a request may use before the system starts to suffer.
#pragma once
#include <cstdint>

namespace hindscan {

// The least of what the machine has available and what the limits of this process and its control group leave.
// The largest int64_t where none of them can be read.
int64_t available_memory();

}  // namespace hindscan
