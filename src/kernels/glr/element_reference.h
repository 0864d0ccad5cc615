// The element recurrence, sequentially, as the formulas say it. R: double, or std::complex<double> for complex-step
// gradients. Readable and slow: one channel at a time, nothing fused.
#pragma once
#include <cmath>
#include <complex>
#include <vector>

#include "kernels/glr/element.h"

namespace hindscan::kernels::glr::reference {

// One channel of the operator.
template <class R>
struct Channel {
  const ElementDims& dims;
  const ElementCoeffs<R>& c;
  int64_t d;

  R dt(int64_t t) const { return c.dt[t * dims.D + d]; }
  R A(int64_t n) const { return c.A[d * dims.N + n]; }
  R B(int64_t t, int64_t n) const { return c.B[t * dims.N + n]; }
  R C(int64_t t, int64_t n) const { return c.C[t * dims.N + n]; }
  R decay(int64_t t, int64_t n) const {
    using std::exp;
    return exp(dt(t) * A(n));
  }
};

template <class R>
void forward(const ElementDims& dims, const ElementCoeffs<R>& c, const R* x, R* S, R* y) {
  for (int64_t d = 0; d < dims.D; ++d) {
    const Channel<R> ch{dims, c, d};
    R* s = S + d * dims.N;  // [N]
    for (int64_t t = 0; t < dims.T; ++t) {
      R read = 0;
      for (int64_t n = 0; n < dims.N; ++n) {
        s[n] = ch.decay(t, n) * s[n] + ch.dt(t) * ch.B(t, n) * x[t * dims.D + d];
        read += ch.C(t, n) * s[n];
      }
      y[t * dims.D + d] = read;
    }
  }
}

template <class R>
void add(R* to, int64_t at, R value) {
  if (to) to[at] += value;
}

template <class R>
void backward(const ElementDims& dims, const ElementCoeffs<R>& c, const R* x, const R* S0, const R* dy,
              const ElementGrads<R>& g) {
  const int64_t T = dims.T, D = dims.D, N = dims.N;
  std::vector<R> states(static_cast<size_t>((T + 1) * N));  // [T + 1, N] of one channel
  for (int64_t d = 0; d < D; ++d) {
    const Channel<R> ch{dims, c, d};
    for (int64_t n = 0; n < N; ++n) {
      R s = states[static_cast<size_t>(n)] = S0[d * N + n];
      for (int64_t t = 0; t < T; ++t) {
        s = ch.decay(t, n) * s + ch.dt(t) * ch.B(t, n) * x[t * D + d];
        states[static_cast<size_t>((t + 1) * N + n)] = s;
      }
    }
    for (int64_t t = T - 1; t >= 0; --t) {
      const int64_t at = t * D + d;
      const R* before = states.data() + t * N;  // [N]
      for (int64_t n = 0; n < N; ++n) {
        R& L = g.dS[d * N + n];
        L += ch.C(t, n) * dy[at];
        add(g.dC, t * N + n, dy[at] * before[N + n]);
        add(g.dB, t * N + n, L * ch.dt(t) * x[at]);
        add(g.dx, at, L * ch.dt(t) * ch.B(t, n));
        add(g.ddt_write, at, L * ch.B(t, n) * x[at]);
        L *= ch.decay(t, n);
        add(g.ddt_decay, at, L * before[n] * ch.A(n));
        add(g.dA, d * N + n, L * before[n] * ch.dt(t));
      }
    }
  }
}

template <class R>
void value_adjoint(const ElementDims& dims, const ElementCoeffs<R>& c, const R* dy, R* L, R* dx) {
  for (int64_t d = 0; d < dims.D; ++d) {
    const Channel<R> ch{dims, c, d};
    R* l = L + d * dims.N;  // [N]
    for (int64_t t = dims.T - 1; t >= 0; --t) {
      for (int64_t n = 0; n < dims.N; ++n) {
        l[n] += ch.C(t, n) * dy[t * dims.D + d];
        dx[t * dims.D + d] += l[n] * ch.dt(t) * ch.B(t, n);
        l[n] *= ch.decay(t, n);
      }
    }
  }
}

// alpha[d, i, j] for j in cols, [cols]; zero for j > i. One adjoint sweep from token i.
template <class R>
void channel_row(const Channel<R>& ch, int64_t i, Range cols, R* row) {
  const int64_t N = ch.dims.N;
  std::vector<R> l(static_cast<size_t>(N));  // [N]
  for (int64_t n = 0; n < N; ++n) l[static_cast<size_t>(n)] = ch.C(i, n);
  for (int64_t j = cols.begin; j < cols.end; ++j) row[j - cols.begin] = R(0);
  for (int64_t j = i; j >= cols.begin; --j) {
    for (int64_t n = 0; n < N; ++n) {
      R& L = l[static_cast<size_t>(n)];
      if (j < cols.end) row[j - cols.begin] += L * ch.dt(j) * ch.B(j, n);
      L *= ch.decay(j, n);
    }
  }
}

template <class R>
R mapped(ElementMap map, R alpha) {
  if (map == ElementMap::kMeanAbs) return std::abs(alpha);
  if (map == ElementMap::kMeanPositive) return alpha > 0 || std::isnan(alpha) ? alpha : R(0);
  return alpha;
}

template <class R>
void tile(const ElementDims& dims, const ElementCoeffs<R>& c, ElementMap map, int64_t channel, Range rows, Range cols,
          const ElementMixer<R>& mixer, R* out) {
  const int64_t width = cols.end - cols.begin, D = dims.D, K = mixer.conv ? mixer.K : 1;
  const bool one = map == ElementMap::kChannel;
  const Range wide{cols.begin, std::min(dims.T, cols.end + K - 1)};  // what the convolution reaches
  std::vector<R> alpha(static_cast<size_t>(std::max<int64_t>(0, wide.end - wide.begin)));  // [wide]
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    R* row = out + (i - rows.begin) * width;  // [cols]
    for (int64_t m = 0; m < width; ++m) row[m] = R(0);
    for (int64_t d = one ? channel : 0; d < (one ? channel + 1 : D); ++d) {
      channel_row(Channel<R>{dims, c, d}, i, wide, alpha.data());
      for (int64_t j = wide.begin; mixer.slope && j < wide.end; ++j) {
        if (j <= i) alpha[static_cast<size_t>(j - wide.begin)] *= mixer.slope[j * D + d];
      }
      for (int64_t m = 0; m < width && cols.begin + m <= i; ++m) {
        R sum = 0;
        for (int64_t k = 0; k < K && cols.begin + m + k < std::min(wide.end, i + 1); ++k) {
          sum += alpha[static_cast<size_t>(m + k)] * (mixer.conv ? mixer.conv[d * K + K - 1 - k] : R(1));
        }
        if (mixer.gate) sum *= mixer.gate[i * D + d];
        row[m] += mapped(map, sum);
      }
    }
    for (int64_t m = 0; m < width && !one; ++m) row[m] /= R(D);
  }
}

// out[p, q], [blocks, blocks]: sum of one channel's alpha over rows of block p and columns of block q. Column block q
// is the response to x = 1 inside it. absolute: with |C| and |B|, an upper bound of the sum of |alpha|.
template <class R>
void block_sums(const Channel<R>& ch, const int64_t* edges, int64_t blocks, bool absolute, R* out) {
  const int64_t N = ch.dims.N;
  const auto sign_free = [&](R v) { return absolute ? R(std::abs(v)) : v; };
  for (int64_t q = 0; q < blocks; ++q) {
    std::vector<R> s(static_cast<size_t>(N), R(0));  // [N]
    for (int64_t p = 0; p < blocks; ++p) {
      R& sum = out[p * blocks + q] = R(0);
      for (int64_t t = p < q ? edges[p + 1] : edges[p]; t < edges[p + 1]; ++t) {
        for (int64_t n = 0; n < N; ++n) {
          R& state = s[static_cast<size_t>(n)];
          state = ch.decay(t, n) * state + (p == q ? ch.dt(t) * sign_free(ch.B(t, n)) : R(0));
          sum += sign_free(ch.C(t, n)) * state;
        }
      }
    }
  }
}

}  // namespace hindscan::kernels::glr::reference
