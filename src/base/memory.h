// How much memory a request may use before the system starts to suffer.
#pragma once
#include <cstdint>

namespace hindscan {

// The least of what the machine has available and what the limits of this process and its control group leave.
// The largest int64_t where none of them can be read.
int64_t available_memory();
// What a request may take that names a limit; 0: none, so what is available.
inline int64_t memory_within(int64_t limit) { return limit > 0 ? limit : available_memory(); }

// What this process holds now, its program and libraries included; 0 where that cannot be read.
int64_t resident_memory();

// From now on large blocks go back to the system when they are freed, so that a limit can be held: a little slower.
void keep_no_freed_memory();

}  // namespace hindscan
