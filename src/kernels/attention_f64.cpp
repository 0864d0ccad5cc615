// The reference: one row of one head at a time, as the definition says it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention.h"

namespace hindscan::kernels {

namespace {

struct RowOfHead {
  const AttentionDims& dims;
  const AttentionInputs<double>& in;
  int64_t h, t;
  int64_t kv() const { return h / (dims.heads / dims.kv_heads); }
  int64_t first() const { return dims.first_key(t); }
  int64_t end() const { return dims.past + t + 1; }
  const double* q() const { return in.q + (t * dims.heads + h) * dims.d; }
  const double* k(int64_t j) const { return in.k + (j * dims.kv_heads + kv()) * dims.d; }
  const double* v(int64_t j) const { return in.v + (j * dims.kv_heads + kv()) * dims.d_v; }
  // Score and its slope by the product q . k.
  double score(int64_t j, double* slope) const {
    double x = 0;
    for (int64_t i = 0; i < dims.d; ++i) x += q()[i] * k(j)[i];
    x *= dims.scale;
    *slope = dims.scale;
    if (dims.soft_cap <= 0) return x;
    const double y = std::tanh(x / dims.soft_cap);
    *slope *= 1 - y * y;
    return dims.soft_cap * y;
  }
};

template <class Body>
void for_rows_of_heads(const AttentionDims& dims, const AttentionInputs<double>& in, const Body& body) {
  for (int64_t t = 0; t < dims.T; ++t) {
    for (int64_t h = 0; h < dims.heads; ++h) body(RowOfHead{dims, in, h, t}, t * dims.heads + h);
  }
}

}  // namespace

void attention_forward(const AttentionDims& dims, const AttentionInputs<double>& in, double* y, double* lse) {
  std::vector<double> s(static_cast<size_t>(dims.keys()));  // [past + T]
  for_rows_of_heads(dims, in, [&](const RowOfHead& row, int64_t at) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0, slope = 0;
    for (int64_t j = row.first(); j < row.end(); ++j)
      top = std::max(top, s[static_cast<size_t>(j)] = row.score(j, &slope));
    double* out = y + at * dims.d_v;
    std::fill_n(out, dims.d_v, 0.0);
    for (int64_t j = row.first(); j < row.end(); ++j) {
      const double e = std::exp(s[static_cast<size_t>(j)] - top);
      sum += e;
      for (int64_t i = 0; i < dims.d_v; ++i) out[i] += e * row.v(j)[i];
    }
    for (int64_t i = 0; i < dims.d_v; ++i) out[i] /= sum;
    if (lse != nullptr) lse[at] = top + std::log(sum);
  });
}

void attention_backward(const AttentionDims& dims, const AttentionInputs<double>& in, const double* y,
                        const double* lse, const double* dy, const AttentionGrads<double>& g) {
  for_rows_of_heads(dims, in, [&](const RowOfHead& row, int64_t at) {
    const double* adjoint = dy + at * dims.d_v;
    double along = 0;  // of the whole row: what the normalisation takes away
    for (int64_t i = 0; i < dims.d_v; ++i) along += adjoint[i] * y[at * dims.d_v + i];
    for (int64_t j = row.first(); j < row.end(); ++j) {
      double slope = 0, dp = 0;
      const double p = std::exp(row.score(j, &slope) - lse[at]);
      const int64_t key = j * dims.kv_heads + row.kv();
      for (int64_t i = 0; i < dims.d_v; ++i) {
        dp += adjoint[i] * row.v(j)[i];
        if (g.dv != nullptr) g.dv[key * dims.d_v + i] += p * adjoint[i];
      }
      const double ds = p * (dp - along) * slope;
      for (int64_t i = 0; i < dims.d; ++i) {
        if (g.dq != nullptr) g.dq[at * dims.d + i] += ds * row.k(j)[i];
        if (g.dk != nullptr) g.dk[key * dims.d + i] += ds * row.q()[i];
      }
    }
  });
}

void attention_weights(const AttentionDims& dims, const AttentionInputs<double>& in, const double* lse, int64_t head,
                       glr::TileRange I, glr::TileRange J, double* out) {
  for (int64_t t = I.begin; t < I.end; ++t) {
    const RowOfHead row{dims, in, head, t};
    for (int64_t j = J.begin; j < J.end; ++j, ++out) {
      double slope = 0;
      *out = j >= row.first() && j < row.end() ? std::exp(row.score(j, &slope) - lse[t * dims.heads + head]) : 0;
    }
  }
}

}  // namespace hindscan::kernels
