// The double reference of pointwise.h: plain loops in the order of the formulas.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/pointwise.h"

namespace hindscan::kernels {
namespace {

using std::int64_t;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }

// 2 sqrt(2/pi) (x + 0.044715 x^3): gelu_tanh(x) = x sigmoid of this.
double gelu_argument(double x) { return 2 * std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x); }

double value(Act act, double x) {
  switch (act) {
    case Act::kSilu:
      return x * sigmoid(x);
    case Act::kSoftplus:
      return softplus(x);
    case Act::kSigmoid:
      return sigmoid(x);
    case Act::kGelu:
      return x * normal_cdf(x);
    case Act::kRelu2:
      return x < 0 ? 0.0 : x * x;
    case Act::kTanh:
      return std::tanh(x);
    case Act::kIdentity:
      return x;
    case Act::kRelu:
      return x < 0 ? 0.0 : x;
    case Act::kGeluTanh:
      return x * sigmoid(gelu_argument(x));
  }
  return x;
}

double slope(Act act, double x) {
  switch (act) {
    case Act::kSilu:
      return sigmoid(x);
    case Act::kGelu:
      return normal_cdf(x);
    case Act::kRelu2:
      return x < 0 ? 0.0 : x;
    case Act::kTanh:
      return x == 0 ? 1.0 : std::tanh(x) / x;
    case Act::kIdentity:
      return 1.0;
    case Act::kRelu:
      return x > 0 ? 1.0 : 0.0;
    case Act::kGeluTanh:
      return sigmoid(gelu_argument(x));
    case Act::kSoftplus:
    case Act::kSigmoid:
      return value(act, x) / x;
  }
  return 1.0;
}

double derivative(Act act, double x) {
  switch (act) {
    case Act::kSilu:
      return sigmoid(x) * (1.0 + x * sigmoid(-x));
    case Act::kSoftplus:
      return sigmoid(x);
    case Act::kSigmoid:
      return sigmoid(x) * sigmoid(-x);
    case Act::kGelu:
      return normal_cdf(x) + x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * 3.14159265358979323846);
    case Act::kRelu2:
      return x < 0 ? 0.0 : 2.0 * x;
    case Act::kTanh:
      return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
    case Act::kIdentity:
      return 1.0;
    case Act::kRelu:
      return x > 0 ? 1.0 : 0.0;
    case Act::kGeluTanh: {
      const double s = sigmoid(gelu_argument(x)),
                   du = 2 * std::sqrt(2 / 3.14159265358979323846) * (1 + 3 * 0.044715 * x * x);
      return s + x * s * (1 - s) * du;
    }
  }
  return 1.0;
}

}  // namespace

void rmsnorm_forward(int64_t T, int64_t C, const double* x, const double* w, double eps, double* y, double* rstd) {
  for (int64_t t = 0; t < T; ++t) {
    double squares = 0.0;
    for (int64_t c = 0; c < C; ++c) squares += x[t * C + c] * x[t * C + c];
    rstd[t] = 1.0 / std::sqrt(squares / static_cast<double>(C) + eps);
    for (int64_t c = 0; c < C; ++c) y[t * C + c] = x[t * C + c] * rstd[t] * (w != nullptr ? w[c] : 1.0);
  }
}

void rmsnorm_backward(int64_t T, int64_t C, const double* x, const double* w, const double* rstd, const double* dy,
                      bool freeze_scale, double* dx, double* dw) {
  for (int64_t t = 0; t < T; ++t) {
    const double r = rstd[t];
    double dot = 0.0;  // sum of dy w x
    for (int64_t c = 0; c < C; ++c) dot += dy[t * C + c] * (w != nullptr ? w[c] : 1.0) * x[t * C + c];
    const double coupling = freeze_scale ? 0.0 : dot * r * r * r / static_cast<double>(C);
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = t * C + c;
      if (dx != nullptr) dx[i] += r * dy[i] * (w != nullptr ? w[c] : 1.0) - coupling * x[i];
      if (dw != nullptr) dw[c] += dy[i] * x[i] * r;
    }
  }
}

void act_forward(Act act, int64_t n, const double* x, double* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = value(act, x[i]);
}

void act_slope(Act act, int64_t n, const double* x, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = slope(act, x[i]);
}

void act_backward(Act act, ActRule rule, int64_t n, const double* x, const double* dy, double* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] += dy[i] * (rule == ActRule::kExact ? derivative(act, x[i]) : slope(act, x[i]));
}

void bias_act_forward(Act act, int64_t T, int64_t C, const double* x, const double* b, double* y) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) y[t * C + c] = value(act, x[t * C + c] + b[c]);
  }
}

void bias_act_backward(Act act, int64_t T, int64_t C, const double* x, const double* b, const double* dy, double* dx,
                       double* db) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const double g = dy[t * C + c] * derivative(act, x[t * C + c] + b[c]);
      if (dx != nullptr) dx[t * C + c] += g;
      if (db != nullptr) db[c] += g;
    }
  }
}

void neg_exp(int64_t n, const double* x, double* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = -std::exp(x[i]);
}

void gate_forward(int64_t n, const double* a, const double* b, double* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

void gate_backward(int64_t n, const double* a, const double* b, const double* dy, double scale_a, double scale_b,
                   double* da, double* db) {
  for (int64_t i = 0; i < n; ++i) {
    if (da != nullptr) da[i] += scale_a * dy[i] * b[i];
    if (db != nullptr) db[i] += scale_b * dy[i] * a[i];
  }
}

void add_forward(int64_t n, const double* a, const double* b, double* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void accumulate(int64_t n, const double* from, double* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

void add_bias(int64_t T, int64_t C, const double* b, double* y) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) y[t * C + c] += b[c];
  }
}

void sum_rows(int64_t T, int64_t C, const double* dy, double* db) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) db[c] += dy[t * C + c];
  }
}

void skip_forward(int64_t T, int64_t C, const double* base, const double* d, const double* x, double* y) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = t * C + c;
      y[i] = (base != nullptr ? base[i] : 0.0) + d[c] * x[i];
    }
  }
}

void skip_backward(int64_t T, int64_t C, const double* d, const double* x, const double* dy, double* dx, double* dd) {
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = t * C + c;
      if (dx != nullptr) dx[i] += d[c] * dy[i];
      if (dd != nullptr) dd[c] += x[i] * dy[i];
    }
  }
}

}  // namespace hindscan::kernels
