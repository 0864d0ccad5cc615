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

// Reduction by multiples of pi/2 in three parts, then the odd and even polynomials on |r| <= pi/4 (a few 1e-8
// absolute).
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

// kStep 2: pairs (2i, 2i+1); 1: (i, i + distance).
template <int kStep, class R>
void turn(const RotateShape& s, const R* __restrict c, const R* __restrict n, const R* __restrict x, R* __restrict y) {
  const int64_t apart = kStep == 2 ? 1 : s.distance;
  for (int64_t i = 0; i < s.d; ++i) y[i] = x[i];
  for (int64_t i = 0; i < s.pairs; ++i) {
    const R a = x[i * kStep], b = x[i * kStep + apart];
    y[i * kStep] = a * c[i] - b * n[i];
    y[i * kStep + apart] = a * n[i] + b * c[i];
  }
}

template <int kStep, class R>
void turn_back(const RotateShape& s, const R* __restrict c, const R* __restrict n, const R* __restrict g,
               R* __restrict dx) {
  const int64_t apart = kStep == 2 ? 1 : s.distance;
  for (int64_t i = 0; i < s.pairs; ++i) {
    const R a = g[i * kStep], b = g[i * kStep + apart];
    dx[i * kStep] += a * c[i] + b * n[i];
    dx[i * kStep + apart] += b * c[i] - a * n[i];
  }
  const int64_t second = kStep == 2 ? 2 * s.pairs : s.distance;  // channels between and after the pairs pass
  for (int64_t i = kStep * s.pairs; i < second; ++i) dx[i] += g[i];
  for (int64_t i = kStep == 2 ? second : s.distance + s.pairs; i < s.d; ++i) dx[i] += g[i];
}

template <int kStep, class R>
void to_angle(const RotateShape& s, const R* __restrict y, const R* __restrict g, R* __restrict dtheta) {
  const int64_t apart = kStep == 2 ? 1 : s.distance;
  for (int64_t i = 0; i < s.pairs; ++i)
    dtheta[i] += g[i * kStep + apart] * y[i * kStep] - g[i * kStep] * y[i * kStep + apart];
}

template <class R>
void forward(const RotateShape& s, const R* cos, const R* sin, const R* x, R* y) {
  for_rotated_heads(s, [&](int64_t at, int64_t table) {
    if (s.distance == 0)
      turn<2>(s, cos + table, sin + table, x + at, y + at);
    else
      turn<1>(s, cos + table, sin + table, x + at, y + at);
  });
}

template <class R>
void backward(const RotateShape& s, const R* cos, const R* sin, const R* y, const R* dy, R* dx, R* dtheta) {
  for_rotated_heads(s, [&](int64_t at, int64_t table) {
    if (s.distance == 0)
      turn_back<2>(s, cos + table, sin + table, dy + at, dx + at);
    else
      turn_back<1>(s, cos + table, sin + table, dy + at, dx + at);
    if (dtheta == nullptr) return;
    if (s.distance == 0)
      to_angle<2>(s, y + at, dy + at, dtheta + table);
    else
      to_angle<1>(s, y + at, dy + at, dtheta + table);
  });
}

}  // namespace

void rotate_forward(const RotateShape& s, const float* cos, const float* sin, const float* x, float* y) {
  forward(s, cos, sin, x, y);
}
void rotate_forward(const RotateShape& s, const double* cos, const double* sin, const double* x, double* y) {
  forward(s, cos, sin, x, y);
}
void rotate_backward(const RotateShape& s, const float* cos, const float* sin, const float* y, const float* dy,
                     float* dx, float* dtheta) {
  backward(s, cos, sin, y, dy, dx, dtheta);
}
void rotate_backward(const RotateShape& s, const double* cos, const double* sin, const double* y, const double* dy,
                     double* dx, double* dtheta) {
  backward(s, cos, sin, y, dy, dx, dtheta);
}

}  // namespace hindscan::kernels
#endif
