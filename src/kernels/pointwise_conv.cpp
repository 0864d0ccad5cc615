// Causal depthwise convolution, float. The input u is `past` followed by x; row r of u is x[r - (K-1)].
#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_conv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

// y = b + sum_k w[k] * u[k] over one row; w [K, C], u[k] the K input rows, oldest first; b or null.
void ConvRow(int64_t C, int64_t K, const float* w, const float* b, const float* const* u, float* y) {
  for_lanes(C, [&](auto d, int64_t i) {
    auto sum = b != nullptr ? hn::LoadU(d, b + i) : hn::Zero(d);
    for (int64_t k = 0; k < K; ++k) sum = hn::MulAdd(hn::LoadU(d, w + k * C + i), hn::LoadU(d, u[k] + i), sum);
    hn::StoreU(sum, d, y + i);
  });
}

// du += sum_k w[k] * dy[k] where dy[k] is the output row that saw this input at tap k, null outside the sequence.
void ConvInputRow(int64_t C, int64_t K, const float* w, const float* const* dy, float* du) {
  for_lanes(C, [&](auto d, int64_t i) {
    auto sum = hn::LoadU(d, du + i);
    for (int64_t k = 0; k < K; ++k) {
      if (dy[k] != nullptr) sum = hn::MulAdd(hn::LoadU(d, w + k * C + i), hn::LoadU(d, dy[k] + i), sum);
    }
    hn::StoreU(sum, d, du + i);
  });
}

// dw [K, C] += dy * u[k]; db += dy (or null).
void ConvWeightRow(int64_t C, int64_t K, const float* const* u, const float* dy, float* dw, float* db) {
  for_lanes(C, [&](auto d, int64_t i) {
    const auto g = hn::LoadU(d, dy + i);
    if (dw != nullptr) {
      for (int64_t k = 0; k < K; ++k) {
        hn::StoreU(hn::MulAdd(g, hn::LoadU(d, u[k] + i), hn::LoadU(d, dw + k * C + i)), d, dw + k * C + i);
      }
    }
    if (db != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, db + i), g), d, db + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
namespace {

std::vector<float> transposed(int64_t C, int64_t K, const float* w) {
  std::vector<float> out(static_cast<size_t>(K * C));  // [K, C]
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t k = 0; k < K; ++k) out[static_cast<size_t>(k * C + c)] = w[c * K + k];
  }
  return out;
}

// rows[k] = input row seen by output t at tap k.
void input_rows(int64_t t, int64_t C, int64_t K, const float* past, const float* x, const float** rows) {
  for (int64_t k = 0; k < K; ++k) {
    const int64_t j = t - (K - 1) + k;
    rows[k] = j < 0 ? past + (j + K - 1) * C : x + j * C;
  }
}

// The last K-1 rows of past followed by x.
void advance_past(int64_t T, int64_t C, int64_t K, const float* x, float* past) {
  const int64_t kept = std::max<int64_t>(0, K - 1 - T);
  const int64_t fresh = K - 1 - kept;
  if (kept > 0) std::memmove(past, past + T * C, static_cast<size_t>(kept * C) * sizeof(float));
  if (fresh > 0) std::memcpy(past + kept * C, x + (T - fresh) * C, static_cast<size_t>(fresh * C) * sizeof(float));
}

}  // namespace

HWY_EXPORT(ConvRow);
HWY_EXPORT(ConvInputRow);
HWY_EXPORT(ConvWeightRow);

void conv1d_forward(int64_t T, int64_t C, int64_t K, const float* w, const float* b, const float* x, float* past,
                    float* y) {
  const auto row = HS_DISPATCH(ConvRow);
  const std::vector<float> wt = transposed(C, K, w);  // [K, C]
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    std::vector<const float*> u(static_cast<size_t>(K));
    for (int64_t t = begin; t < end; ++t) {
      input_rows(t, C, K, past, x, u.data());
      row(C, K, wt.data(), b, u.data(), y + t * C);
    }
  });
  advance_past(T, C, K, x, past);
}

namespace {

// Adjoint of the input rows: dx += ..., dpast replaced.
void conv1d_backward_input(int64_t T, int64_t C, int64_t K, const float* wt, const float* dy, float* dpast, float* dx) {
  const auto row = HS_DISPATCH(ConvInputRow);
  const std::vector<float> left(dpast, dpast + (K - 1) * C);  // [K-1, C] adjoint of the past left behind
  const auto add_row = HS_DISPATCH(ConvWeightRow);
  const auto input_adjoint = [&](int64_t j, float* du, const float** seen) {
    for (int64_t k = 0; k < K; ++k) {
      const int64_t t = j + K - 1 - k;
      seen[k] = t >= 0 && t < T ? dy + t * C : nullptr;
    }
    row(C, K, wt, seen, du);
    const int64_t carried = j - (T - (K - 1));
    if (carried >= 0) add_row(C, K, nullptr, left.data() + carried * C, nullptr, du);
  };
  std::vector<const float*> past_seen(static_cast<size_t>(K));
  for (int64_t i = 0; i < K - 1; ++i) {
    std::fill_n(dpast + i * C, C, 0.0f);
    input_adjoint(i - (K - 1), dpast + i * C, past_seen.data());
  }
  if (dx == nullptr) return;
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    std::vector<const float*> seen(static_cast<size_t>(K));
    for (int64_t t = begin; t < end; ++t) input_adjoint(t, dx + t * C, seen.data());
  });
}

}  // namespace

void conv1d_backward(int64_t T, int64_t C, int64_t K, const float* w, const float* x, const float* past0,
                     const float* dy, float* dpast, float* dx, float* dw, float* db) {
  const std::vector<float> wt = transposed(C, K, w);  // [K, C]
  conv1d_backward_input(T, C, K, wt.data(), dy, dpast, dx);
  if (dw == nullptr && db == nullptr) return;
  const auto row = HS_DISPATCH(ConvWeightRow);
  std::vector<float> sums(static_cast<size_t>((K + 1) * C), 0.0f);  // [K, C] dw, then [C] db
  reduce_rows(T, C, (K + 1) * C, sums.data(), [&](int64_t begin, int64_t end, float* partial) {
    std::vector<const float*> u(static_cast<size_t>(K));
    for (int64_t t = begin; t < end; ++t) {
      input_rows(t, C, K, past0, x, u.data());
      row(C, K, u.data(), dy + t * C, dw != nullptr ? partial : nullptr, db != nullptr ? partial + K * C : nullptr);
    }
  });
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t k = 0; k < K && dw != nullptr; ++k) dw[c * K + k] += sums[static_cast<size_t>(k * C + c)];
    if (db != nullptr) db[c] += sums[static_cast<size_t>(K * C + c)];
  }
}

}  // namespace hindscan::kernels
#endif
