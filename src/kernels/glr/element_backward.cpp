// Exact adjoint: blocks of channels form fixed groups, whose partial dB and dC are added in order.
#include "kernels/glr/element_backward.h"

#include <omp.h>

#include <algorithm>

#include "base/arena.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/element_backward.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/element_backward-inl.h"

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(BackwardGroup);

// out += sum of the groups' partials [groups, size], in the order of the groups.
void add_partials(const float* partials, int64_t groups, int64_t size, float* out) {
  if (!out) return;
  for (int64_t k = 0; k < groups; ++k) {
    for (int64_t i = 0; i < size; ++i) out[i] += partials[k * size + i];
  }
}

}  // namespace

void element_backward(const ElementDims& dims, const ElementCoeffs<float>& c, const float* x, const float* S0,
                      const float* dy, const ElementGrads<float>& g) {
  if (dims.T == 0) return;  // dS passes through
  const int64_t lanes = lane_count(), blocks = block_count(dims.D, lanes);
  const int64_t per_group = (blocks + kMaxGroups - 1) / kMaxGroups;
  const int64_t groups = (blocks + per_group - 1) / per_group, tokens = dims.T * dims.N;
  const bool parallel = groups > 1 && dims.T * dims.D * dims.N >= kParallelUpdates;
  const int64_t threads = parallel ? omp_get_max_threads() : 1;
  const int64_t scratch = (BackwardScratch::size(dims, lanes, per_group) + 15) / 16 * 16;
  const HugeBuffer buffer(static_cast<size_t>(threads * scratch + 2 * groups * tokens) * sizeof(float));
  float* dB = buffer.as<float>() + threads * scratch;  // [groups, T, N]
  float* dC = dB + groups * tokens;                    // [groups, T, N]
  const auto kernel = HWY_DYNAMIC_DISPATCH(BackwardGroup);
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(threads)) if (parallel)
  for (int64_t k = 0; k < groups; ++k) {
    const int64_t first = k * per_group * lanes;
    kernel({dims, c, x, S0, dy}, g, {first, std::min(per_group * lanes, dims.D - first)},
           buffer.as<float>() + omp_get_thread_num() * scratch, dB + k * tokens, dC + k * tokens);
  }
  add_partials(dB, groups, tokens, g.dB);
  add_partials(dC, groups, tokens, g.dC);
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
