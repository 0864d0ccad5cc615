// Rotation of pairs of channels, and sine with cosine in float.
#include "kernels/pointwise_coef_rotate.h"

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_coef_rotate.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// Reduction by multiples of pi/2 in three parts, then the odd and even polynomials on |r| <= pi/4 (a few 1e-8 absolute).
void SinCos(int64_t n, const float* angle, float* sin_out, float* cos_out) {
  for_lanes(n, [&](auto d, int64_t i) {
    const hn::RebindToSigned<decltype(d)> di;
    const auto x = hn::LoadU(d, angle + i);
    const auto q = hn::Round(hn::Mul(x, hn::Set(d, 0.636619772f)));
    auto r = hn::NegMulAdd(q, hn::Set(d, 1.5703125f), x);
    r = hn::NegMulAdd(q, hn::Set(d, 4.837512969970703e-4f), r);
    r = hn::NegMulAdd(q, hn::Set(d, 7.54978995489188e-8f), r);
    const auto r2 = hn::Mul(r, r);
    auto s = hn::MulAdd(r2, hn::Set(d, -1.9515295891e-4f), hn::Set(d, 8.3321608736e-3f));
    s = hn::MulAdd(s, r2, hn::Set(d, -1.6666654611e-1f));
    s = hn::MulAdd(hn::Mul(s, r2), r, r);
    auto c = hn::MulAdd(r2, hn::Set(d, 2.443315711809948e-5f), hn::Set(d, -1.388731625493765e-3f));
    c = hn::MulAdd(c, r2, hn::Set(d, 4.166664568298827e-2f));
    c = hn::MulAdd(hn::Mul(c, r2), r2, hn::NegMulAdd(hn::Set(d, 0.5f), r2, hn::Set(d, 1.0f)));
    const auto quadrant = hn::ConvertTo(di, q);
    const auto one = hn::Set(di, 1), two = hn::Set(di, 2);
    const auto swap = hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(di, hn::Eq(hn::And(quadrant, one), one))));
    const auto sign_s = hn::BitCast(d, hn::ShiftLeft<30>(hn::And(quadrant, two)));
    const auto sign_c = hn::BitCast(d, hn::ShiftLeft<30>(hn::And(hn::Add(quadrant, one), two)));
    hn::StoreU(hn::Xor(hn::IfThenElse(swap, c, s), sign_s), d, sin_out + i);
    hn::StoreU(hn::Xor(hn::IfThenElse(swap, s, c), sign_c), d, cos_out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(SinCos);

void sin_cos(int64_t n, const float* angle, float* sin, float* cos) {
  const auto run = HS_DISPATCH(SinCos);
  for_elements(n, [&](int64_t b, int64_t e) { run(e - b, angle + b, sin + b, cos + b); });
}

void sin_cos(int64_t n, const double* angle, double* sin, double* cos) {
  for (int64_t i = 0; i < n; ++i) {
    sin[i] = std::sin(angle[i]);
    cos[i] = std::cos(angle[i]);
  }
}

namespace {

// body(x offset of the head, table offset of the head).
template <class Body>
void for_rotated_heads(const RotateShape& s, const Body& body) {
  for_rows(s.T, s.heads * s.d, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < s.heads; ++h) {
        body((t * s.heads + h) * s.d, (t * s.table_heads + (s.table_heads == 1 ? 0 : h)) * s.pairs);
      }
    }
  });
}

template <class R>
void forward(const RotateShape& s, const R* cos, const R* sin, const R* x, R* y) {
  const int64_t step = s.distance == 0 ? 2 : 1, apart = s.distance == 0 ? 1 : s.distance;
  for_rotated_heads(s, [&](int64_t at, int64_t table) {
    const R *xh = x + at, *c = cos + table, *n = sin + table;
    R* yh = y + at;
    for (int64_t i = 0; i < s.d; ++i) yh[i] = xh[i];
    for (int64_t i = 0; i < s.pairs; ++i) {
      const R a = xh[i * step], b = xh[i * step + apart];
      yh[i * step] = a * c[i] - b * n[i];
      yh[i * step + apart] = a * n[i] + b * c[i];
    }
  });
}

template <class R>
void backward(const RotateShape& s, const R* cos, const R* sin, const R* y, const R* dy, R* dx, R* dtheta) {
  const int64_t step = s.distance == 0 ? 2 : 1, apart = s.distance == 0 ? 1 : s.distance;
  for_rotated_heads(s, [&](int64_t at, int64_t table) {
    const R *g = dy + at, *c = cos + table, *n = sin + table;
    R* to = dx + at;
    for (int64_t i = 0; i < s.pairs; ++i) {
      const R a = g[i * step], b = g[i * step + apart];
      to[i * step] += a * c[i] + b * n[i];
      to[i * step + apart] += b * c[i] - a * n[i];
    }
    if (s.distance == 0) {
      for (int64_t i = 2 * s.pairs; i < s.d; ++i) to[i] += g[i];
    } else {
      for (int64_t i = s.pairs; i < s.distance; ++i) to[i] += g[i];
      for (int64_t i = s.distance + s.pairs; i < s.d; ++i) to[i] += g[i];
    }
    if (dtheta == nullptr) return;
    const R* yh = y + at;
    for (int64_t i = 0; i < s.pairs; ++i) dtheta[table + i] += g[i * step + apart] * yh[i * step] - g[i * step] * yh[i * step + apart];
  });
}

}  // namespace

void rotate_forward(const RotateShape& s, const float* cos, const float* sin, const float* x, float* y) { forward(s, cos, sin, x, y); }
void rotate_forward(const RotateShape& s, const double* cos, const double* sin, const double* x, double* y) { forward(s, cos, sin, x, y); }
void rotate_backward(const RotateShape& s, const float* cos, const float* sin, const float* y, const float* dy, float* dx, float* dtheta) {
  backward(s, cos, sin, y, dy, dx, dtheta);
}
void rotate_backward(const RotateShape& s, const double* cos, const double* sin, const double* y, const double* dy, double* dx, double* dtheta) {
  backward(s, cos, sin, y, dy, dx, dtheta);
}

}  // namespace hindscan::kernels
#endif
