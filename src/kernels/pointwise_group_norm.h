// Norms over groups of channels: RMS, LayerNorm, GroupNorm and the two L2 norms of keys. Conventions of pointwise.h.
#pragma once
#include <cstdint>

namespace hindscan::kernels {

enum class NormKind : uint8_t {
  kRms,       // x / sqrt(mean(x^2) + eps)
  kLayer,     // (x - mean) / sqrt(var + eps)
  kL2Inside,  // x / sqrt(sum(x^2) + eps)
  kL2Max      // x / max(||x||, eps)
};

// Rows [T, C], each cut into `groups` of n = C / groups channels with statistics of their own.
struct GroupNormShape {
  NormKind kind;
  int64_t T, C, groups = 1;
  bool one_plus = false;  // scale by 1 + w
  int64_t w_size = 0;     // of w and of bias: C, or n when every group shares them
  int64_t n() const { return C / groups; }
};

#define HS_DECLARE(R)                                                                                                \
  /* w, bias [w_size] or null. Written: scale [T, groups]; mean [T, groups], kLayer only */                          \
  void group_norm_forward(const GroupNormShape&, double eps, const R* x, const R* w, const R* bias, R* y, R* mean,   \
                          R* scale);                                                                                 \
  /* freeze_scale: scale is a constant, the centring stays linear. dx or null; dw, db [w_size] or null */            \
  void group_norm_backward(const GroupNormShape&, double eps, const R* x, const R* w, const R* mean, const R* scale, \
                           const R* dy, bool freeze_scale, R* dx, R* dw, R* db);
HS_DECLARE(float)
HS_DECLARE(double)
#undef HS_DECLARE

}  // namespace hindscan::kernels
