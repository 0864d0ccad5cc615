// Run-time dispatch shared by all Highway kernels.
#pragma once

namespace hindscan::kernels {

// Limits Highway to allowed_isa(); call before HWY_DYNAMIC_DISPATCH. The first call does the work.
void ensure_isa_cap();

}  // namespace hindscan::kernels
