// Norms over groups of channels: the double reference.
#include <algorithm>
#include <cmath>

#include "kernels/pointwise_group_norm.h"

namespace hindscan::kernels {

static double group_scale(NormKind kind, double squares, double n, double eps) {
  switch (kind) {
    case NormKind::kRms:
    case NormKind::kLayer:
      return 1 / std::sqrt(squares / n + eps);
    case NormKind::kL2Inside:
      return 1 / std::sqrt(squares + eps);
    case NormKind::kL2Max:
      return 1 / std::max(std::sqrt(squares), eps);
  }
  return 1;
}

void group_norm_forward(const GroupNormShape& s, double eps, const double* x, const double* w, const double* bias,
                        double* y, double* mean, double* scale) {
  const int64_t n = s.n();
  for (int64_t g = 0; g < s.T * s.groups; ++g) {
    const double* xg = x + g * n;
    double centre = 0, squares = 0;
    if (s.kind == NormKind::kLayer) {
      for (int64_t i = 0; i < n; ++i) centre += xg[i];
      mean[g] = centre /= static_cast<double>(n);
    }
    for (int64_t i = 0; i < n; ++i) squares += (xg[i] - centre) * (xg[i] - centre);
    scale[g] = group_scale(s.kind, squares, static_cast<double>(n), eps);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t c = w == nullptr && bias == nullptr ? 0 : (g * n + i) % s.w_size;
      const double gain = w == nullptr ? 1 : w[c] + (s.one_plus ? 1 : 0);
      y[g * n + i] = (xg[i] - centre) * scale[g] * gain + (bias == nullptr ? 0 : bias[c]);
    }
  }
}

void group_norm_backward(const GroupNormShape& s, double eps, const double* x, const double* w, const double* mean,
                         const double* scale, const double* dy, bool freeze_scale, double* dx, double* dw, double* db) {
  const int64_t n = s.n();
  const double inv_n = 1 / static_cast<double>(n);
  const bool layer = s.kind == NormKind::kLayer, l2 = s.kind == NormKind::kL2Inside || s.kind == NormKind::kL2Max;
  for (int64_t g = 0; g < s.T * s.groups; ++g) {
    const double r = scale[g], centre = layer ? mean[g] : 0;
    const auto hat = [&](int64_t i) { return (x[g * n + i] - centre) * r; };
    const auto weighted = [&](int64_t i) {
      return dy[g * n + i] * (w == nullptr ? 1 : w[(g * n + i) % s.w_size] + (s.one_plus ? 1 : 0));
    };
    double dot = 0, sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      dot += weighted(i) * hat(i);
      sum += weighted(i);
    }
    const bool constant = freeze_scale || (s.kind == NormKind::kL2Max && r * eps >= 1);
    const double coupling = constant ? 0 : l2 ? dot : dot * inv_n;
    const double shift = layer ? sum * inv_n : 0;
    for (int64_t i = 0; i < n; ++i) {
      if (dx != nullptr) dx[g * n + i] += r * (weighted(i) - shift - coupling * hat(i));
      if (dw != nullptr) dw[(g * n + i) % s.w_size] += dy[g * n + i] * hat(i);
      if (db != nullptr) db[(g * n + i) % s.w_size] += dy[g * n + i];
    }
  }
}

}  // namespace hindscan::kernels
