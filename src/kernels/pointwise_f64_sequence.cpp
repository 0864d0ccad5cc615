// The double reference of pointwise.h, continued: what looks across tokens or classes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/pointwise.h"

namespace hindscan::kernels {

void conv1d_forward(int64_t T, int64_t C, int64_t K, const double* w, const double* b, const double* x, double* past,
                    double* y) {
  const auto input = [&](int64_t j, int64_t c) { return j < 0 ? past[(j + K - 1) * C + c] : x[j * C + c]; };
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      double sum = b != nullptr ? b[c] : 0.0;
      for (int64_t k = 0; k < K; ++k) sum += w[c * K + k] * input(t - (K - 1) + k, c);
      y[t * C + c] = sum;
    }
  }
  for (int64_t i = 0; i < K - 1; ++i) {  // row i reads row i + T or later, so going up is safe
    for (int64_t c = 0; c < C; ++c) past[i * C + c] = input(T - (K - 1) + i, c);
  }
}

void conv1d_backward(int64_t T, int64_t C, int64_t K, const double* w, const double* x, const double* past0,
                     const double* dy, double* dpast, double* dx, double* dw, double* db) {
  std::vector<double> du(static_cast<size_t>((T + K - 1) * C), 0.0);  // [K-1 + T, C]
  for (int64_t i = 0; i < (K - 1) * C; ++i) du[static_cast<size_t>(T * C + i)] = dpast[i];
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const double g = dy[t * C + c];
      if (db != nullptr) db[c] += g;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t row = t + k;  // of past followed by x
        du[static_cast<size_t>(row * C + c)] += w[c * K + k] * g;
        if (dw != nullptr) dw[c * K + k] += g * (row < K - 1 ? past0[row * C + c] : x[(row - (K - 1)) * C + c]);
      }
    }
  }
  std::copy_n(du.begin(), (K - 1) * C, dpast);
  for (int64_t i = 0; i < T * C && dx != nullptr; ++i) dx[i] += du[static_cast<size_t>((K - 1) * C + i)];
}

void embedding_forward(int64_t T, int64_t C, const int32_t* ids, const double* table, double* y) {
  for (int64_t t = 0; t < T; ++t) std::copy_n(table + int64_t{ids[t]} * C, C, y + t * C);
}

void embedding_backward(int64_t T, int64_t C, const int32_t* ids, const double* dy, double* dtable) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) dtable[int64_t{ids[t]} * C + c] += dy[t * C + c];
  }
}

void cross_entropy(int64_t T, int64_t V, const double* logits, const int32_t* targets, const double* weight,
                   double* losses, double* dlogits) {
  for (int64_t t = 0; t < T; ++t) {
    const double* row = logits + t * V;
    const double top = *std::max_element(row, row + V);
    const double gap = top - row[targets[t]];  // read before dlogits, which may be logits, is written
    double sum = 0.0;
    for (int64_t v = 0; v < V; ++v) sum += std::exp(row[v] - top);
    losses[t] = gap + std::log(sum);
    if (dlogits == nullptr) continue;
    const double w = weight != nullptr ? weight[t] : 1.0;
    for (int64_t v = 0; v < V; ++v) dlogits[t * V + v] = w * std::exp(row[v] - top) / sum;
    dlogits[t * V + targets[t]] -= w;
  }
}

double sum_squares(int64_t n, const double* x) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

bool all_finite(int64_t n, const double* x) {
  return std::all_of(x, x + n, [](double v) { return std::isfinite(v); });
}

}  // namespace hindscan::kernels
