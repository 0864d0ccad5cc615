// Running maximum of a normalised recurrence. Differences are taken as f - (m_t - m_{t-1}): the rounding of m cancels
// out of numerator and denominator, and a state of -inf gives decay 0, not NaN.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/glr/channel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/channel_running_max.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using ::hindscan::kernels::HWY_NAMESPACE::for_lanes;
using ::hindscan::kernels::HWY_NAMESPACE::vexp;

template <class V>
HWY_INLINE V larger(V a, V b) {  // NaN of either stays; Highway 1.0.3's Ne does not hold for NaN on AVX-512
  return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::Not(hn::Eq(a, a))), a, b);
}

// exp(x - m); 0 where x = m = -inf.
template <class V>
HWY_INLINE V weight(V x, V m) {
  const hn::DFromV<V> d;
  const V none = hn::Set(d, -std::numeric_limits<float>::infinity());
  return hn::IfThenElse(hn::Eq(x, none), hn::Zero(d), vexp(hn::Sub(x, m)));
}

void RunningMax(const ChannelDims& dims, const float* f, const float* i, float* m0, float* g, float* w, float* m,
                const float* bonus, float* r, float* u, int64_t first, int64_t count) {
  for (int64_t t = 0; t < dims.T; ++t) {
    for_lanes(count, [&](auto d, int64_t k) HWY_ATTR {
      const int64_t channel = first + k, at = t * dims.D + channel;
      const auto none = hn::Set(d, -std::numeric_limits<float>::infinity());
      const auto old = hn::LoadU(d, m0 + channel), in = hn::LoadU(d, i + at), forget = hn::LoadU(d, f + at);
      const auto now = larger(hn::Add(old, forget), in);
      const auto empty = hn::Or(hn::Eq(old, none), hn::Eq(now, none));
      hn::StoreU(hn::IfThenElse(empty, none, hn::Sub(forget, hn::Sub(now, old))), d, g + at);
      hn::StoreU(weight(in, now), d, w + at);
      hn::StoreU(now, d, m + at);
      hn::StoreU(now, d, m0 + channel);
      if (!bonus) return;
      const auto current = hn::Add(in, hn::LoadU(d, bonus + channel)), top = larger(old, current);
      hn::StoreU(weight(old, top), d, r + at);
      hn::StoreU(weight(current, top), d, u + at);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(RunningMax);

constexpr double kNone = -std::numeric_limits<double>::infinity();
double larger(double a, double b) { return a > b || a != a ? a : b; }
double weight(double x, double m) { return x == kNone ? 0 : std::exp(x - m); }

}  // namespace

void running_max(const ChannelDims& dims, const float* f, const float* i, float* m0, float* g, float* w, float* m,
                 const float* bonus, float* r, float* u) {
  constexpr int64_t kBlock = 64, kWork = 1 << 16;
  const auto kernel = HS_DISPATCH(RunningMax);
  const int64_t blocks = (dims.D + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) if (blocks > 1 && dims.T * dims.D >= kWork)
  for (int64_t b = 0; b < blocks; ++b) {
    (*kernel)(dims, f, i, m0, g, w, m, bonus, r, u, b * kBlock, std::min(kBlock, dims.D - b * kBlock));
  }
}

void running_max(const ChannelDims& dims, const double* f, const double* i, double* m0, double* g, double* w, double* m,
                 const double* bonus, double* r, double* u) {
  for (int64_t at = 0; at < dims.T * dims.D; ++at) {
    const int64_t channel = at % dims.D;
    const double old = m0[channel], now = larger(old + f[at], i[at]);
    g[at] = old == kNone || now == kNone ? kNone : f[at] - (now - old);
    w[at] = weight(i[at], now);
    m[at] = m0[channel] = now;
    if (!bonus) continue;
    const double current = i[at] + bonus[channel], top = larger(old, current);
    r[at] = weight(old, top);
    u[at] = weight(current, top);
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
