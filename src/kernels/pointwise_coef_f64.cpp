// The double reference of the coefficient maps.
#include <algorithm>
#include <cmath>

#include "kernels/pointwise_coef.h"

namespace hindscan::kernels {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double value(CoefMap map, double x) {
  switch (map) {
    case CoefMap::kLogSigmoid:
      return -softplus(-x);
    case CoefMap::kSigmoid:
      return sigmoid(x);
    case CoefMap::kNegSigmoid:
      return -sigmoid(x);
    case CoefMap::kNegExp:
      return -std::exp(x);
    case CoefMap::kOneMinusExp:
      return -std::expm1(x);
    case CoefMap::kSqrtOneMinusExp2:
      return std::sqrt(-std::expm1(2 * x));
    case CoefMap::kNegHeavyTail:
      return x != x ? x : std::min(x >= 0 ? -(1 + x) : -1 / (1 - x), -1e-4);
    case CoefMap::kExp:
      return std::exp(x);
    case CoefMap::kSoftplus:
      return softplus(x);
    case CoefMap::kTanh:
      return std::tanh(x);
    case CoefMap::kIdentity:
      return x;
  }
  return x;
}

double derivative(CoefMap map, double x) {
  switch (map) {
    case CoefMap::kLogSigmoid:
      return sigmoid(-x);
    case CoefMap::kSigmoid:
      return sigmoid(x) * sigmoid(-x);
    case CoefMap::kNegSigmoid:
      return -sigmoid(x) * sigmoid(-x);
    case CoefMap::kNegExp:
    case CoefMap::kOneMinusExp:
      return -std::exp(x);
    case CoefMap::kSqrtOneMinusExp2:
      return -2 * std::exp(2 * x) / std::sqrt(std::max(-4 * std::expm1(2 * x), 1e-6));
    case CoefMap::kNegHeavyTail:
      return x < -9999 ? 0 : x >= 0 ? -1 : -1 / ((1 - x) * (1 - x));
    case CoefMap::kExp:
      return std::exp(x);
    case CoefMap::kSoftplus:
      return sigmoid(x);
    case CoefMap::kTanh:
      return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
    case CoefMap::kIdentity:
      return 1;
  }
  return 1;
}

// log(1 + u), u = (e^beta - 1) sigmoid(-x); near u = -1 as a difference of softplus functions without what they share.
double bounded_decay(double beta, double x) {
  const double u = std::expm1(beta) * sigmoid(-x);
  if (u >= -0.5) return std::log1p(u);
  const auto tail = [](double z) { return std::log1p(std::exp(-std::abs(z))); };
  return std::min(std::max(x, beta), 0.0) + tail(x - beta) - tail(x);
}

}  // namespace

void coef_map_forward(CoefMap map, double factor, int64_t T, int64_t C, const double* x, const double* b, double* y) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) y[t * C + c] = factor * value(map, x[t * C + c] + (b == nullptr ? 0.0 : b[c]));
  }
}

void coef_map_backward(CoefMap map, double factor, int64_t T, int64_t C, const double* x, const double* b,
                       const double* dy, double* dx, double* db) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = t * C + c;
      const double g = factor * dy[i] * derivative(map, x[i] + (b == nullptr ? 0.0 : b[c]));
      if (dx != nullptr) dx[i] += g;
      if (db != nullptr) db[c] += g;
    }
  }
}

void bounded_decay_forward(int64_t T, int64_t C, const double* beta, const double* x, double* y) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) y[t * C + c] = bounded_decay(beta[c], x[t * C + c]);
  }
}

void bounded_decay_backward(int64_t T, int64_t C, const double* beta, const double* x, const double* dy, double* dx,
                            double* dbeta) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = t * C + c;
      dx[i] -= dy[i] * std::expm1(beta[c]) * sigmoid(-x[i]) * sigmoid(x[i] - beta[c]);
      if (dbeta != nullptr) dbeta[c] += dy[i] * sigmoid(beta[c] - x[i]);
    }
  }
}

}  // namespace hindscan::kernels
