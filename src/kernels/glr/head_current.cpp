#include "kernels/glr/head_current.h"

#include "kernels/glr/lanes.h"

namespace hindscan::kernels::glr {
namespace {

// Eight partial sums, so that the compiler may use vectors of any length.
float dot(const float* a, const float* b, const float* u, int64_t n) {
  float sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int64_t l = 0; l < 8; ++l) sums[l] += a[i + l] * b[i + l] * (u ? u[i + l] : 1.0f);
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i] * (u ? u[i] : 1.0f);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

std::vector<float> current_weights(const HeadDims& d, const HeadCoeffs<float>& c) {
  if (!c.u && c.read != Read::kAfter) return {};
  const int64_t pairs = d.R * d.R;
  std::vector<float> weights(static_cast<size_t>(d.H * d.T * pairs));                                // [H, T, R, R]
  const float* per_token = c.read == Read::kAfter ? c.s : c.read == Read::kDecayed ? c.u : nullptr;  // [T, H]
#pragma omp parallel for schedule(static) if (d.H > 1 && d.H * d.T * pairs * d.K >= kParallelUpdates)
  for (int64_t h = 0; h < d.H; ++h) {
    const int64_t group = h / (d.H / d.G);
    for (int64_t i = 0; i < d.T * pairs; ++i) {
      const int64_t t = i / pairs, r = i % pairs / d.R, w = i % d.R;
      const float* q = c.q + ((t * d.R + r) * d.G + group) * d.K;
      const float* k = c.k + ((t * d.R + w) * d.G + group) * d.K;
      const float product = dot(q, k, c.read == Read::kBefore ? c.u + h * d.K : nullptr, d.K);
      weights[static_cast<size_t>(h * d.T * pairs + i)] = per_token ? per_token[t * d.H + h] * product : product;
    }
  }
  return weights;
}

}  // namespace hindscan::kernels::glr
