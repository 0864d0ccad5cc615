// Rotation of pairs of channels by angles that heads share or own. Conventions of pointwise.h.
#pragma once
#include <cstdint>

namespace hindscan::kernels {

// x [T, heads*d]; pair i < pairs of a head is (2i, 2i+1) if distance is 0, else (i, i + distance). Other channels pass.
// cos, sin [T, table_heads*pairs] with table_heads 1 or heads.
struct RotateShape {
  int64_t T, heads, d, pairs, distance, table_heads;
};

#define HS_DECLARE(R)                                                                                       \
  void sin_cos(int64_t n, const R* angle, R* sin, R* cos); /* |angle| up to some thousands */               \
  void rotate_forward(const RotateShape&, const R* cos, const R* sin, const R* x, R* y);                    \
  /* dx += the rotation back; dtheta [T, table_heads*pairs] or null (then y, the rotated x, is not read) */ \
  void rotate_backward(const RotateShape&, const R* cos, const R* sin, const R* y, const R* dy, R* dx, R* dtheta);
HS_DECLARE(float)
HS_DECLARE(double)
#undef HS_DECLARE

}  // namespace hindscan::kernels
