#include "kernels/glr/extended.h"

#include <cmath>
#include <vector>

namespace hindscan::kernels::glr {
namespace {

using Wide = long double;

// One head, one column of the state at a time.
struct HeadColumn {
  const HeadDims& d;
  const HeadCoeffs<double>& c;
  int64_t h;

  const double* key_row(const double* rows, int64_t t, int64_t r) const {  // [K] of q or k
    return rows + ((t * d.R + r) * d.G + h / (d.H / d.G)) * d.K;
  }
  int64_t at(int64_t t) const { return t * d.H + h; }

  // x <- (I + b c^T) diag(exp g) x
  void decay(int64_t t, std::vector<Wide>& x) const {
    Wide dot = 0;
    for (int64_t i = 0; i < d.K; ++i) {
      Wide& xi = x[static_cast<size_t>(i)];
      if (c.decay == DecayShape::kScalar) xi *= std::exp(Wide{c.g[at(t)]});
      if (c.decay == DecayShape::kRow) xi *= std::exp(Wide{c.g[at(t) * d.K + i]});
      if (c.c != nullptr) dot += Wide{c.c[at(t) * d.K + i]} * xi;
    }
    for (int64_t i = 0; c.b != nullptr && i < d.K; ++i) x[static_cast<size_t>(i)] += Wide{c.b[at(t) * d.K + i]} * dot;
  }
  void write(int64_t t, const double* v, int64_t e, std::vector<Wide>& x) const {
    const Wide s = c.s == nullptr ? 1.0L : Wide{c.s[at(t)]};
    for (int64_t r = 0; r < d.R; ++r) {
      const Wide value = s * Wide{v[((t * d.R + r) * d.H + h) * d.V + e]};
      for (int64_t i = 0; i < d.K; ++i) x[static_cast<size_t>(i)] += Wide{key_row(c.k, t, r)[i]} * value;
    }
  }
  Wide read(int64_t t, int64_t r, const std::vector<Wide>& x) const {
    Wide sum = 0;
    for (int64_t i = 0; i < d.K; ++i) sum += Wide{key_row(c.q, t, r)[i]} * x[static_cast<size_t>(i)];
    return sum;
  }
  // What the current token adds to a read that does not see its write.
  Wide own(int64_t t, int64_t r, const double* v, int64_t e) const {
    Wide sum = 0;
    for (int64_t from = 0; c.u != nullptr && from < d.R; ++from) {
      Wide weight = 0;
      for (int64_t i = 0; i < d.K; ++i) {
        const Wide u = c.read == Read::kBefore ? c.u[h * d.K + i] : c.u[at(t)];
        weight += Wide{key_row(c.q, t, r)[i]} * u * Wide{key_row(c.k, t, from)[i]};
      }
      sum += weight * Wide{v[((t * d.R + from) * d.H + h) * d.V + e]};
    }
    return sum;
  }
};

void run_column(const HeadColumn& head, const double* v, int64_t e, double* S, double* y) {
  const HeadDims& d = head.d;
  std::vector<Wide> x;
  for (int64_t i = 0; i < d.K; ++i) x.push_back(S[(head.h * d.K + i) * d.V + e]);
  const auto out = [&](int64_t t, int64_t r) -> double& { return y[((t * d.R + r) * d.H + head.h) * d.V + e]; };
  for (int64_t t = 0; t < d.T; ++t) {
    const auto read_all = [&](bool own) {
      for (int64_t r = 0; r < d.R; ++r)
        out(t, r) = static_cast<double>(head.read(t, r, x) + (own ? head.own(t, r, v, e) : 0.0L));
    };
    if (head.c.read == Read::kBefore) read_all(true);
    head.decay(t, x);
    if (head.c.read == Read::kDecayed) read_all(true);
    head.write(t, v, e, x);
    if (head.c.read == Read::kAfter) read_all(false);
  }
  for (int64_t i = 0; i < d.K; ++i) S[(head.h * d.K + i) * d.V + e] = static_cast<double>(x[static_cast<size_t>(i)]);
}

}  // namespace

void element_forward_extended(const ElementDims& dims, const ElementCoeffs<double>& c, const double* x, double* S,
                              double* y) {
#pragma omp parallel for schedule(static)
  for (int64_t d = 0; d < dims.D; ++d) {
    std::vector<Wide> state(S + d * dims.N, S + (d + 1) * dims.N);  // [N]
    for (int64_t t = 0; t < dims.T; ++t) {
      const Wide dt = c.dt[t * dims.D + d], value = dt * Wide{x[t * dims.D + d]};
      Wide sum = 0;
      for (int64_t n = 0; n < dims.N; ++n) {
        Wide& s = state[static_cast<size_t>(n)];
        s = std::exp(dt * Wide{c.A[d * dims.N + n]}) * s + Wide{c.B[t * dims.N + n]} * value;
        sum += Wide{c.C[t * dims.N + n]} * s;
      }
      y[t * dims.D + d] = static_cast<double>(sum);
    }
    for (int64_t n = 0; n < dims.N; ++n) S[d * dims.N + n] = static_cast<double>(state[static_cast<size_t>(n)]);
  }
}

void head_forward_extended(const HeadDims& d, const HeadCoeffs<double>& c, const double* v, double* S, double* y) {
#pragma omp parallel for schedule(static)
  for (int64_t column = 0; column < d.H * d.V; ++column)
    run_column(HeadColumn{d, c, column / d.V}, v, column % d.V, S, y);
}

}  // namespace hindscan::kernels::glr
