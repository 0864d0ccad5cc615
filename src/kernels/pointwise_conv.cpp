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

// For r < rows: y[r] = base + sum_k w[k] * u[r + k], w [K, C]. base is the row b (or 0 when null), or y itself if
// accumulate. The adjoint of the inputs is the same sum with the taps reversed.
void ConvRows(int64_t rows, int64_t C, int64_t K, const float* w, const float* b, bool accumulate,
              const float* const* u, float* y) {
  for_lanes(C, [&](auto d, int64_t i) {
    const auto bias = b != nullptr ? hn::LoadU(d, b + i) : hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r) {
      auto sum = accumulate ? hn::LoadU(d, y + r * C + i) : bias;
      for (int64_t k = 0; k < K; ++k) sum = hn::MulAdd(hn::LoadU(d, w + k * C + i), hn::LoadU(d, u[r + k] + i), sum);
      hn::StoreU(sum, d, y + r * C + i);
    }
  });
}

// The same for K = 4, the width of every Mamba checkpoint: weights and the sliding window stay in registers.
void Conv4Rows(int64_t rows, int64_t C, const float* w, const float* b, bool accumulate, const float* const* u,
               float* y) {
  for_lanes(C, [&](auto d, int64_t i) {
    const auto w0 = hn::LoadU(d, w + i), w1 = hn::LoadU(d, w + C + i);
    const auto w2 = hn::LoadU(d, w + 2 * C + i), w3 = hn::LoadU(d, w + 3 * C + i);
    const auto bias = b != nullptr ? hn::LoadU(d, b + i) : hn::Zero(d);
    auto u0 = hn::LoadU(d, u[0] + i), u1 = hn::LoadU(d, u[1] + i), u2 = hn::LoadU(d, u[2] + i);
    for (int64_t r = 0; r < rows; ++r) {
      const auto u3 = hn::LoadU(d, u[r + 3] + i);
      auto sum = accumulate ? hn::LoadU(d, y + r * C + i) : bias;
      sum = hn::MulAdd(w1, u1, hn::MulAdd(w0, u0, sum));
      sum = hn::MulAdd(w3, u3, hn::MulAdd(w2, u2, sum));
      hn::StoreU(sum, d, y + r * C + i);
      u0 = u1;
      u1 = u2;
      u2 = u3;
    }
  });
}

// dw [K, C] += sum_r dy[r] * u[r + k]; db += sum_r dy[r].
void ConvWeightRows(int64_t rows, int64_t C, int64_t K, const float* const* u, const float* dy, float* dw, float* db) {
  for_lanes(C, [&](auto d, int64_t i) {
    for (int64_t k = 0; k < K; ++k) {
      auto sum = hn::LoadU(d, dw + k * C + i);
      for (int64_t r = 0; r < rows; ++r) {
        sum = hn::MulAdd(hn::LoadU(d, dy + r * C + i), hn::LoadU(d, u[r + k] + i), sum);
      }
      hn::StoreU(sum, d, dw + k * C + i);
    }
    auto total = hn::LoadU(d, db + i);
    for (int64_t r = 0; r < rows; ++r) total = hn::Add(total, hn::LoadU(d, dy + r * C + i));
    hn::StoreU(total, d, db + i);
  });
}

void Conv4WeightRows(int64_t rows, int64_t C, const float* const* u, const float* dy, float* dw, float* db) {
  for_lanes(C, [&](auto d, int64_t i) {
    auto s0 = hn::LoadU(d, dw + i), s1 = hn::LoadU(d, dw + C + i);
    auto s2 = hn::LoadU(d, dw + 2 * C + i), s3 = hn::LoadU(d, dw + 3 * C + i), total = hn::LoadU(d, db + i);
    auto u0 = hn::LoadU(d, u[0] + i), u1 = hn::LoadU(d, u[1] + i), u2 = hn::LoadU(d, u[2] + i);
    for (int64_t r = 0; r < rows; ++r) {
      const auto u3 = hn::LoadU(d, u[r + 3] + i), g = hn::LoadU(d, dy + r * C + i);
      s0 = hn::MulAdd(g, u0, s0);
      s1 = hn::MulAdd(g, u1, s1);
      s2 = hn::MulAdd(g, u2, s2);
      s3 = hn::MulAdd(g, u3, s3);
      total = hn::Add(total, g);
      u0 = u1;
      u1 = u2;
      u2 = u3;
    }
    hn::StoreU(s0, d, dw + i);
    hn::StoreU(s1, d, dw + C + i);
    hn::StoreU(s2, d, dw + 2 * C + i);
    hn::StoreU(s3, d, dw + 3 * C + i);
    hn::StoreU(total, d, db + i);
  });
}

void AddTo(int64_t C, const float* from, float* to) {
  for_lanes(C,
            [&](auto d, int64_t i) { hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i); });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
namespace {

HWY_EXPORT(ConvRows);
HWY_EXPORT(Conv4Rows);
HWY_EXPORT(ConvWeightRows);
HWY_EXPORT(Conv4WeightRows);
HWY_EXPORT(AddTo);

constexpr int64_t kConvRows = 8;  // rows per call: their streams fit the prefetcher, the weights are loaded once

// w [C, K] as [K, C], taps reversed or not.
std::vector<float> transposed(int64_t C, int64_t K, const float* w, bool reversed) {
  std::vector<float> out(static_cast<size_t>(K * C));  // [K, C]
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t k = 0; k < K; ++k) out[static_cast<size_t>((reversed ? K - 1 - k : k) * C + c)] = w[c * K + k];
  }
  return out;
}

// Pointers to the rows from `first` on of: past (K-1 rows, row index -(K-1)..-1), then x.
struct InputRows {
  int64_t C, K;
  const float* past;
  const float* x;
  void fill(int64_t first, std::vector<const float*>& rows) const {
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t j = first + static_cast<int64_t>(i);
      rows[i] = j < 0 ? past + (j + K - 1) * C : x + j * C;
    }
  }
};

// body(t, count, rows) for [begin, end) in groups of kConvRows; rows as filled by `fill(first, rows)`.
template <class Fill, class Body>
void for_row_groups(int64_t begin, int64_t end, int64_t K, const Fill& fill, const Body& body) {
  std::vector<const float*> rows;
  for (int64_t t = begin; t < end; t += kConvRows) {
    const int64_t count = std::min(kConvRows, end - t);
    rows.resize(static_cast<size_t>(count + K - 1));
    fill(t, rows);
    body(t, count, rows.data());
  }
}

void conv_rows(int64_t rows, int64_t C, int64_t K, const float* w, const float* b, bool accumulate,
               const float* const* u, float* y) {
  if (K == 4) return HS_DISPATCH(Conv4Rows)(rows, C, w, b, accumulate, u, y);
  HS_DISPATCH(ConvRows)(rows, C, K, w, b, accumulate, u, y);
}

// The last K-1 rows of past followed by x.
void advance_past(int64_t T, int64_t C, int64_t K, const float* x, float* past) {
  const int64_t kept = std::max<int64_t>(0, K - 1 - T);
  const int64_t fresh = K - 1 - kept;
  if (kept > 0) std::memmove(past, past + T * C, static_cast<size_t>(kept * C) * sizeof(float));
  if (fresh > 0) std::memcpy(past + kept * C, x + (T - fresh) * C, static_cast<size_t>(fresh * C) * sizeof(float));
}

}  // namespace

void conv1d_forward(int64_t T, int64_t C, int64_t K, const float* w, const float* b, const float* x, float* past,
                    float* y) {
  const std::vector<float> wt = transposed(C, K, w, false);  // [K, C]
  const InputRows input{C, K, past, x};
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for_row_groups(
        begin, end, K, [&](int64_t t, auto& rows) { input.fill(t - (K - 1), rows); },
        [&](int64_t t, int64_t count, const float* const* u) {
          conv_rows(count, C, K, wt.data(), b, false, u, y + t * C);
        });
  });
  advance_past(T, C, K, x, past);
}

namespace {

// Adjoint of the inputs: input j was seen by outputs j..j+K-1, and by the past left behind if it is that recent.
void conv1d_backward_input(int64_t T, int64_t C, int64_t K, const float* w, const float* dy, float* dpast, float* dx) {
  const std::vector<float> wt = transposed(C, K, w, true);         // [K, C]
  const std::vector<float> left(dpast, dpast + (K - 1) * C);       // [K-1, C] adjoint of the past left behind
  const std::vector<float> outside(static_cast<size_t>(C), 0.0f);  // [C] outputs that do not exist
  const auto outputs = [&](int64_t first, std::vector<const float*>& rows) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t t = first + static_cast<int64_t>(i);
      rows[i] = t >= 0 && t < T ? dy + t * C : outside.data();
    }
  };
  // Rows [begin, end) of past followed by x, numbered from -(K-1); du is row begin.
  const auto add_adjoint = [&](int64_t begin, int64_t end, float* du) {
    for_row_groups(begin, end, K, outputs, [&](int64_t j, int64_t count, const float* const* seen) {
      conv_rows(count, C, K, wt.data(), nullptr, true, seen, du + (j - begin) * C);
    });
    for (int64_t j = std::max(begin, T - (K - 1)); j < end; ++j) {
      HS_DISPATCH(AddTo)(C, left.data() + (j - T + K - 1) * C, du + (j - begin) * C);
    }
  };
  std::fill_n(dpast, (K - 1) * C, 0.0f);
  add_adjoint(-(K - 1), 0, dpast);
  if (dx == nullptr) return;
  for_rows(T, C, [&](int64_t begin, int64_t end) { add_adjoint(begin, end, dx + begin * C); });
}

}  // namespace

void conv1d_backward(int64_t T, int64_t C, int64_t K, const float* w, const float* x, const float* past0,
                     const float* dy, float* dpast, float* dx, float* dw, float* db) {
  conv1d_backward_input(T, C, K, w, dy, dpast, dx);
  if (dw == nullptr && db == nullptr) return;
  const InputRows input{C, K, past0, x};
  std::vector<float> sums(static_cast<size_t>((K + 1) * C), 0.0f);  // [K, C] dw, then [C] db
  reduce_rows(T, C, (K + 1) * C, sums.data(), [&](int64_t begin, int64_t end, float* partial) {
    for_row_groups(
        begin, end, K, [&](int64_t t, auto& rows) { input.fill(t - (K - 1), rows); },
        [&](int64_t t, int64_t count, const float* const* u) {
          if (K == 4) return HS_DISPATCH(Conv4WeightRows)(count, C, u, dy + t * C, partial, partial + K * C);
          HS_DISPATCH(ConvWeightRows)(count, C, K, u, dy + t * C, partial, partial + K * C);
        });
  });
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t k = 0; k < K && dw != nullptr; ++k) dw[c * K + k] += sums[static_cast<size_t>(k * C + c)];
    if (db != nullptr) db[c] += sums[static_cast<size_t>(K * C + c)];
  }
}

}  // namespace hindscan::kernels
#endif
