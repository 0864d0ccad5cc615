#include "kernels/dispatch.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include "base/cpu.h"
#include "kernels/pointwise.h"

namespace hindscan::kernels {
namespace {

// Highway targets that lie above the level; a lower bit is a better target.
int64_t targets_above(Isa isa) {
#if HWY_ARCH_X86
  if (isa >= Isa::kAvx512) return 0;
  if (isa >= Isa::kAvx2) return HWY_AVX2 - 1;
  if (isa >= Isa::kSse4) return HWY_SSE4 - 1;
  return 2 * HWY_SSSE3 - 1;
#else
  return isa == Isa::kScalar ? ~(HWY_EMU128 | HWY_SCALAR) : 0;
#endif
}

bool cap() {
  hwy::DisableTargets(targets_above(allowed_isa()));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return true;
}

}  // namespace

void ensure_isa_cap() { [[maybe_unused]] static const bool capped = cap(); }

const char* pointwise_isa() {
  ensure_isa_cap();
  const int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // the lowest bit is the best target
}

}  // namespace hindscan::kernels
