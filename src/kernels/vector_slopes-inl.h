// Derivatives of the vector functions that a formula in their values would lose to cancellation.
#if defined(HINDSCAN_VECTOR_SLOPES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_VECTOR_SLOPES_INL_H_
#undef HINDSCAN_VECTOR_SLOPES_INL_H_
#else
#define HINDSCAN_VECTOR_SLOPES_INL_H_
#endif

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// tanh' = 4 e / (1 + e)^2 with e = exp(-2|x|): 1 - tanh^2 has lost everything by |x| = 9.
template <class V>
HWY_INLINE V vtanh_slope(V x) {
  const hn::DFromV<V> d;
  const V a = hn::Abs(x), e = vexp(hn::Neg(hn::Add(a, a))), s = hn::Add(hn::Set(d, 1.0f), e);
  return hn::Div(hn::Mul(hn::Set(d, 4.0f), e), hn::Mul(s, s));
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();
#endif
