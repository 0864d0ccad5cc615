// Norms over groups of channels, float.
#include "kernels/pointwise_group_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_group_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// Sum over i of term(d, i), two accumulators wide: groups are often one head of 64 channels.
template <class F>
HWY_INLINE float sum_terms(int64_t n, const F& term) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    s0 = hn::Add(s0, term(d, i));
    s1 = hn::Add(s1, term(d, i + L));
  }
  for (; i + L <= n; i += L) s0 = hn::Add(s0, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += hn::GetLane(term(d1, i));
  return sum;
}

float GroupScale(NormKind kind, float squares, float n, float eps) {
  switch (kind) {
    case NormKind::kRms:
    case NormKind::kLayer:
      return 1.0f / std::sqrt(squares / n + eps);
    case NormKind::kL2Inside:
      return 1.0f / std::sqrt(squares + eps);
    case NormKind::kL2Max: {
      const float norm = std::sqrt(squares);
      return 1.0f / (norm < eps ? eps : norm);
    }
  }
  return 1.0f;
}

void GroupForwardRows(const GroupNormShape& s, int64_t begin, int64_t end, float eps, const float* x, const float* w,
                      const float* bias, float* y, float* mean, float* scale) {
  const int64_t n = s.n();
  const float plus = s.one_plus ? 1.0f : 0.0f;
  for (int64_t g = begin * s.groups; g < end * s.groups; ++g) {
    const float* xg = x + g * n;
    const float* wg = w == nullptr ? nullptr : w + g * n % s.w_size;
    const float* bg = bias == nullptr ? nullptr : bias + g * n % s.w_size;
    float* yg = y + g * n;
    float centre = 0.0f;
    if (s.kind == NormKind::kLayer) {
      centre = sum_terms(n, [&](auto d, int64_t i) { return hn::LoadU(d, xg + i); }) / static_cast<float>(n);
      mean[g] = centre;
    }
    const float squares = sum_terms(n, [&](auto d, int64_t i) {
      const auto v = hn::Sub(hn::LoadU(d, xg + i), hn::Set(d, centre));
      return hn::Mul(v, v);
    });
    const float r = GroupScale(s.kind, squares, static_cast<float>(n), eps);
    scale[g] = r;
    for_lanes(n, [&](auto d, int64_t i) {
      auto v = hn::Mul(hn::Sub(hn::LoadU(d, xg + i), hn::Set(d, centre)), hn::Set(d, r));
      if (wg != nullptr) v = hn::Mul(v, hn::Add(hn::LoadU(d, wg + i), hn::Set(d, plus)));
      if (bg != nullptr) v = hn::Add(v, hn::LoadU(d, bg + i));
      hn::StoreU(v, d, yg + i);
    });
  }
}

// dw, db: partials of these rows, or null.
void GroupBackwardRows(const GroupNormShape& s, int64_t begin, int64_t end, float eps, const float* x, const float* w,
                       const float* mean, const float* scale, const float* dy, bool freeze_scale, float* dx, float* dw,
                       float* db) {
  const int64_t n = s.n();
  const float plus = s.one_plus ? 1.0f : 0.0f, inv_n = 1.0f / static_cast<float>(n);
  const bool layer = s.kind == NormKind::kLayer, l2 = s.kind == NormKind::kL2Inside || s.kind == NormKind::kL2Max;
  for (int64_t g = begin * s.groups; g < end * s.groups; ++g) {
    const float *xg = x + g * n, *dyg = dy + g * n;
    const float* wg = w == nullptr ? nullptr : w + g * n % s.w_size;
    const float r = scale[g], centre = layer ? mean[g] : 0.0f;
    const auto weighted = [&](auto d, int64_t i) {  // adjoint of the normalised value
      const auto v = hn::LoadU(d, dyg + i);
      return wg == nullptr ? v : hn::Mul(v, hn::Add(hn::LoadU(d, wg + i), hn::Set(d, plus)));
    };
    const auto hat = [&](auto d, int64_t i) {
      return hn::Mul(hn::Sub(hn::LoadU(d, xg + i), hn::Set(d, centre)), hn::Set(d, r));
    };
    if (dx != nullptr) {
      const bool constant = freeze_scale || (s.kind == NormKind::kL2Max && r * eps >= 1.0f);
      const float dot =
          constant ? 0.0f : sum_terms(n, [&](auto d, int64_t i) { return hn::Mul(weighted(d, i), hat(d, i)); });
      const float coupling = l2 ? dot : dot * inv_n;
      const float shift = layer ? inv_n * sum_terms(n, weighted) : 0.0f;  // hat sums to 0
      float* dxg = dx + g * n;
      for_lanes(n, [&](auto d, int64_t i) {
        const auto v = hn::NegMulAdd(hat(d, i), hn::Set(d, coupling), hn::Sub(weighted(d, i), hn::Set(d, shift)));
        hn::StoreU(hn::MulAdd(v, hn::Set(d, r), hn::LoadU(d, dxg + i)), d, dxg + i);
      });
    }
    if (dw != nullptr) {
      float* to = dw + g * n % s.w_size;
      for_lanes(n, [&](auto d, int64_t i) {
        hn::StoreU(hn::MulAdd(hn::LoadU(d, dyg + i), hat(d, i), hn::LoadU(d, to + i)), d, to + i);
      });
    }
    if (db != nullptr) {
      float* to = db + g * n % s.w_size;
      for_lanes(
          n, [&](auto d, int64_t i) { hn::StoreU(hn::Add(hn::LoadU(d, dyg + i), hn::LoadU(d, to + i)), d, to + i); });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(GroupForwardRows);
HWY_EXPORT(GroupBackwardRows);

void group_norm_forward(const GroupNormShape& s, double eps, const float* x, const float* w, const float* bias,
                        float* y, float* mean, float* scale) {
  const auto rows = HS_DISPATCH(GroupForwardRows);
  for_rows(s.T, s.C, [&](int64_t b, int64_t e) { rows(s, b, e, static_cast<float>(eps), x, w, bias, y, mean, scale); });
}

void group_norm_backward(const GroupNormShape& s, double eps, const float* x, const float* w, const float* mean,
                         const float* scale, const float* dy, bool freeze_scale, float* dx, float* dw, float* db) {
  const auto run = HS_DISPATCH(GroupBackwardRows);
  const auto rows = [&](int64_t b, int64_t e, float* pw, float* pb) {
    run(s, b, e, static_cast<float>(eps), x, w, mean, scale, dy, freeze_scale, dx, pw, pb);
  };
  if (dw == nullptr && db == nullptr)
    return for_rows(s.T, s.C, [&](int64_t b, int64_t e) { rows(b, e, nullptr, nullptr); });
  std::vector<float> sums(static_cast<size_t>(2 * s.w_size), 0.0f);  // dw, db
  reduce_rows(s.T, s.C, 2 * s.w_size, sums.data(), [&](int64_t b, int64_t e, float* partial) {
    rows(b, e, dw == nullptr ? nullptr : partial, db == nullptr ? nullptr : partial + s.w_size);
  });
  for (int64_t c = 0; c < s.w_size; ++c) {
    if (dw != nullptr) dw[c] += sums[static_cast<size_t>(c)];
    if (db != nullptr) db[c] += sums[static_cast<size_t>(s.w_size + c)];
  }
}

}  // namespace hindscan::kernels
#endif
