// RMSNorm, float.
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// Sum over i of term(d, i), four accumulators wide.
template <class F>
HWY_INLINE float sum_lanes(int64_t n, const F& term) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    s0 = hn::Add(s0, term(d, i));
    s1 = hn::Add(s1, term(d, i + L));
    s2 = hn::Add(s2, term(d, i + 2 * L));
    s3 = hn::Add(s3, term(d, i + 3 * L));
  }
  for (; i + L <= n; i += L) s0 = hn::Add(s0, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) sum += hn::GetLane(term(d1, i));
  return sum;
}

void RmsForwardRows(int64_t begin, int64_t end, int64_t C, const float* x, const float* w, float eps, float* y,
                    float* rstd) {
  for (int64_t t = begin; t < end; ++t) {
    const float* xt = x + t * C;
    float* yt = y + t * C;
    const float squares = sum_lanes(C, [&](auto d, int64_t i) {
      const auto v = hn::LoadU(d, xt + i);
      return hn::Mul(v, v);
    });
    const float r = 1.0f / std::sqrt(squares / static_cast<float>(C) + eps);
    rstd[t] = r;
    if (w != nullptr) {
      for_lanes(C, [&](auto d, int64_t i) {
        hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, xt + i), hn::Set(d, r)), hn::LoadU(d, w + i)), d, yt + i);
      });
    } else {
      for_lanes(C, [&](auto d, int64_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, xt + i), hn::Set(d, r)), d, yt + i); });
    }
  }
}

// dw: partial of these rows or null.
void RmsBackwardRows(int64_t begin, int64_t end, int64_t C, const float* x, const float* w, const float* rstd,
                     const float* dy, bool freeze_scale, float* dx, float* dw) {
  const auto weighted = [&](auto d, int64_t t, int64_t i) {  // dy * w
    const auto g = hn::LoadU(d, dy + t * C + i);
    return w != nullptr ? hn::Mul(g, hn::LoadU(d, w + i)) : g;
  };
  for (int64_t t = begin; t < end; ++t) {
    const float* xt = x + t * C;
    const float r = rstd[t];
    float coupling = 0.0f;  // r^3 / C * sum(dy w x): the adjoint of rstd spread over the row
    if (dx != nullptr && !freeze_scale) {
      const float dot =
          sum_lanes(C, [&](auto d, int64_t i) { return hn::Mul(weighted(d, t, i), hn::LoadU(d, xt + i)); });
      coupling = dot * r * r * r / static_cast<float>(C);
    }
    for_lanes(C, [&](auto d, int64_t i) {
      const auto xv = hn::LoadU(d, xt + i), rv = hn::Set(d, r);
      if (dx != nullptr) {
        float* dxt = dx + t * C;
        const auto v = hn::NegMulAdd(xv, hn::Set(d, coupling), hn::Mul(weighted(d, t, i), rv));
        hn::StoreU(hn::Add(hn::LoadU(d, dxt + i), v), d, dxt + i);
      }
      if (dw != nullptr) {
        hn::StoreU(hn::MulAdd(hn::LoadU(d, dy + t * C + i), hn::Mul(xv, rv), hn::LoadU(d, dw + i)), d, dw + i);
      }
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(RmsForwardRows);
HWY_EXPORT(RmsBackwardRows);

void rmsnorm_forward(int64_t T, int64_t C, const float* x, const float* w, float eps, float* y, float* rstd) {
  const auto rows = HS_DISPATCH(RmsForwardRows);
  for_rows(T, C, [&](int64_t begin, int64_t end) { rows(begin, end, C, x, w, eps, y, rstd); });
}

void rmsnorm_backward(int64_t T, int64_t C, const float* x, const float* w, const float* rstd, const float* dy,
                      bool freeze_scale, float* dx, float* dw) {
  const auto rows = HS_DISPATCH(RmsBackwardRows);
  if (dw == nullptr) {
    for_rows(T, C, [&](int64_t b, int64_t e) { rows(b, e, C, x, w, rstd, dy, freeze_scale, dx, nullptr); });
    return;
  }
  reduce_rows(T, C, C, dw,
              [&](int64_t b, int64_t e, float* partial) { rows(b, e, C, x, w, rstd, dy, freeze_scale, dx, partial); });
}

}  // namespace hindscan::kernels
#endif
