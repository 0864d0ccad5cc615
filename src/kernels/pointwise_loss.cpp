// Embedding rows and the cross-entropy loss, float.
#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_loss.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

float RowMax(int64_t n, const float* x) {
  const hn::ScalableTag<float> d;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  float best = x[0];
  int64_t i = 0;
  if (n >= L) {
    auto top = hn::LoadU(d, x);
    for (; i + L <= n; i += L) top = hn::Max(top, hn::LoadU(d, x + i));
    best = hn::GetLane(hn::MaxOfLanes(d, top));
  }
  for (; i < n; ++i) best = std::max(best, x[i]);
  return best;
}

// Sum of exp(x - top); the terms go to e (may be x) unless it is null.
float RowExpSum(int64_t n, const float* x, float top, float* e) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  const auto term = [&](auto tag, int64_t i) {
    const auto v = vexp(hn::Sub(hn::LoadU(tag, x + i), hn::Set(tag, top)));
    if (e != nullptr) hn::StoreU(v, tag, e + i);
    return v;
  };
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

void Scale(int64_t n, float factor, float* x) {
  for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, x + i); });
}

void AddRow(int64_t n, const float* from, float* to) {
  for_lanes(n,
            [&](auto d, int64_t i) { hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(RowMax);
HWY_EXPORT(RowExpSum);
HWY_EXPORT(Scale);
HWY_EXPORT(AddRow);

void cross_entropy(int64_t T, int64_t V, const float* logits, const int32_t* targets, const float* weight,
                   float* losses, float* dlogits) {
  const auto row_max = HS_DISPATCH(RowMax);
  const auto exp_sum = HS_DISPATCH(RowExpSum);
  const auto scale = HS_DISPATCH(Scale);
  for_rows(T, V, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float* row = logits + t * V;
      float* drow = dlogits != nullptr ? dlogits + t * V : nullptr;
      const float top = row_max(V, row);
      const float gap = top - row[targets[t]];  // read before drow, which may be row, is written
      const float sum = exp_sum(V, row, top, drow);
      losses[t] = gap + std::log(sum);
      if (drow == nullptr) continue;
      const float w = weight != nullptr ? weight[t] : 1.0f;
      scale(V, w / sum, drow);
      drow[targets[t]] -= w;
    }
  });
}

void embedding_forward(int64_t T, int64_t C, const int32_t* ids, const float* table, float* y) {
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(y + t * C, table + int64_t{ids[t]} * C, static_cast<size_t>(C) * sizeof(float));
    }
  });
}

// Serial: two tokens may name the same row, and the order of their sum is fixed.
void embedding_backward(int64_t T, int64_t C, const int32_t* ids, const float* dy, float* dtable) {
  const auto add = HS_DISPATCH(AddRow);
  for (int64_t t = 0; t < T; ++t) add(C, dy + t * C, dtable + int64_t{ids[t]} * C);
}

}  // namespace hindscan::kernels
#endif
