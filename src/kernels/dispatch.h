// Run-time dispatch shared by all Highway kernels.
#pragma once

namespace hindscan::kernels {

// Limits Highway to allowed_isa(); call before HWY_DYNAMIC_DISPATCH. The first call does the work.
void ensure_isa_cap();

}  // namespace hindscan::kernels

// Pointer to the best allowed version of an HWY_EXPORTed function.
#define HS_DISPATCH(FUNC) (::hindscan::kernels::ensure_isa_cap(), &HWY_DYNAMIC_DISPATCH(FUNC))
