// Vector exp, log1p and what is built on them. NaN in gives NaN out (Highway 1.0.3's own Exp hides it).
#if defined(HINDSCAN_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_VECTOR_MATH_INL_H_
#undef HINDSCAN_VECTOR_MATH_INL_H_
#else
#define HINDSCAN_VECTOR_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// f(d, i) for i in [0, n): whole vectors, then single lanes with the same operations.
template <class F>
HWY_INLINE void for_lanes(int64_t n, const F& f) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(d, i);
  for (; i < n; ++i) f(d1, i);
}

// exp(r) for |r| <= ln2/2: minimax of degree 6, 3e-9 relative before rounding.
template <class V>
HWY_INLINE V exp_poly(V r) {
  const hn::DFromV<V> d;
  V p = hn::Set(d, 1.3814538046730447e-3f);
  p = hn::MulAdd(p, r, hn::Set(d, 8.368745323435347e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.16683907893e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.66665203967e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.99999934319e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return hn::MulAdd(p, r, hn::Set(d, 1.0f));
}

// p * 2^n for integral n in [-151, 129].
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
template <size_t N>
HWY_INLINE hn::Vec128<float, N> vscale(hn::Vec128<float, N> p, hn::Vec128<float, N> n) {
  return hn::Vec128<float, N>{_mm_scalef_ps(p.raw, n.raw)};
}
HWY_INLINE hn::Vec256<float> vscale(hn::Vec256<float> p, hn::Vec256<float> n) {
  return hn::Vec256<float>{_mm256_scalef_ps(p.raw, n.raw)};
}
HWY_INLINE hn::Vec512<float> vscale(hn::Vec512<float> p, hn::Vec512<float> n) {
  return hn::Vec512<float>{_mm512_scalef_ps(p.raw, n.raw)};
}
#else
template <class V>
HWY_INLINE V vscale(V p, V n) {
  const hn::DFromV<V> d;
  const hn::RebindToSigned<decltype(d)> di;
  // Two halves, so that both factors are normal numbers.
  const auto ni = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(ni);
  const auto bias = hn::Set(di, 127);
  const V s0 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V s1 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(ni, half), bias)));
  return hn::Mul(hn::Mul(p, s0), s1);
}
#endif

// e^x; 0 at -inf, inf at +inf, denormals kept.
template <class V>
HWY_INLINE V vexp(V x) {
  const hn::DFromV<V> d;
  const V xc = hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f));
  const V n = hn::Round(hn::Mul(xc, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), xc);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  const V y = vscale(exp_poly(r), n);
  return hn::IfThenElse(hn::Eq(x, x), y, x);
}

// log(1 + u) for 0 <= u <= 1, relative error of a few ulp down to the smallest u: 2 atanh(u / (2 + u)).
template <class V>
HWY_INLINE V vlog1p_unit(V u) {
  const hn::DFromV<V> d;
  const V s = hn::Div(u, hn::Add(u, hn::Set(d, 2.0f)));
  const V s2 = hn::Mul(s, s);
  V p = hn::Set(d, 1.0f / 15);
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 13));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 11));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 9));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 7));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 5));
  p = hn::MulAdd(p, s2, hn::Set(d, 1.0f / 3));
  const V two_s = hn::Add(s, s);
  return hn::MulAdd(hn::Mul(p, s2), two_s, two_s);
}

template <class V>
HWY_INLINE V vsigmoid(V x) {
  const V one = hn::Set(hn::DFromV<V>(), 1.0f);
  return hn::Div(one, hn::Add(one, vexp(hn::Neg(x))));
}

// log(1 + e^x) without overflow, relative accuracy kept for very negative x.
template <class V>
HWY_INLINE V vsoftplus(V x) {
  const hn::DFromV<V> d;
  const V tail = vlog1p_unit(vexp(hn::Neg(hn::Abs(x))));
  return hn::Add(hn::Max(x, hn::Zero(d)), tail);
}

// tanh: odd polynomial near 0, 1 - 2/(e^2|x| + 1) beyond.
template <class V>
HWY_INLINE V vtanh(V x) {
  const hn::DFromV<V> d;
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Abs(x);
  const V x2 = hn::Mul(x, x);
  V p = hn::Set(d, -5.70498872745e-3f);
  p = hn::MulAdd(p, x2, hn::Set(d, 2.06390887954e-2f));
  p = hn::MulAdd(p, x2, hn::Set(d, -5.37397155531e-2f));
  p = hn::MulAdd(p, x2, hn::Set(d, 1.33314422036e-1f));
  p = hn::MulAdd(p, x2, hn::Set(d, -3.33332819422e-1f));
  const V small = hn::MulAdd(hn::Mul(p, x2), x, x);
  const V big = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(vexp(hn::Add(a, a)), one)));
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.625f)), small, hn::CopySign(big, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();
#endif
