// Forward scan, exact backward, value adjoint and rows of the complex element recurrence, channel by channel.
#include "kernels/glr/element_complex.h"

#include <algorithm>

#include "kernels/glr/element_complex_lane.h"

namespace hindscan::kernels::glr {
namespace {

constexpr int64_t kChunk = 64;          // tokens between kept states of the backward pass
constexpr int64_t kChannelGroup = 32;   // channels whose dB and dC are summed together, in order
constexpr int64_t kParallel = 1 << 12;  // state updates below which a fork-join costs more than it saves

bool worth_threads(const ElementComplexDims& dims) { return dims.T * dims.D * dims.N >= kParallel; }

template <class R>
void add_to(R* to, int64_t at, double value) {
  if (to) to[at] += static_cast<R>(value);
}
template <class R>
void add_to(std::complex<R>* to, int64_t at, Complex value) {
  if (to) to[at] += std::complex<R>(value);
}

// dB and dC of one group of channels, [T, N] in double.
struct KeyGrads {
  Complex *dB, *dC;
};

template <class R>
void backward_token(const ComplexChannel<R>& ch, int64_t t, double x, double dy, const Complex* before,
                    const Complex* after, Complex* L, const ElementComplexGrads<R>& g, const KeyGrads& keys) {
  const int64_t N = ch.dims.N, at = ch.at(t);
  const double dt = ch.dt(t);
  add_read(ch, t, dy, L);
  const double weight = write_weight(ch, t, L);
  add_to(g.dx, at, dt * weight);
  add_to(g.ddt_write, at, x * weight);
  double through_decay = 0;
  for (int64_t n = 0; n < N; ++n) {
    keys.dC[t * N + n] += std::conj(2 * dy * after[n]);
    keys.dB[t * N + n] += std::conj(dt * x * L[n]);
    L[n] = times(ch.decay(dt, n), L[n]);
    const Complex passed = times(L[n], before[n]);
    through_decay += real_times(passed, ch.A(n));
    add_to(g.dA, ch.d * N + n, std::conj(dt * passed));
  }
  add_to(g.ddt_decay, at, through_decay);
}

template <class R>
void backward_channel(const ComplexChannel<R>& ch, const R* x, const std::complex<R>* S0, const R* dy,
                      const ElementComplexGrads<R>& g, const KeyGrads& keys) {
  const int64_t T = ch.dims.T, N = ch.dims.N, chunks = (T + kChunk - 1) / kChunk;
  std::vector<Complex> S = load_state(S0 + ch.d * N, N, false), L = load_state(g.dS + ch.d * N, N, true);
  std::vector<Complex> kept(static_cast<size_t>(chunks * N)), states(static_cast<size_t>((kChunk + 1) * N));
  for (int64_t t = 0; t < T; ++t) {
    if (t % kChunk == 0) std::copy(S.begin(), S.end(), kept.begin() + t / kChunk * N);
    ch.step(t, static_cast<double>(x[ch.at(t)]), S.data());
  }
  for (int64_t k = chunks - 1; k >= 0; --k) {
    const int64_t begin = k * kChunk, end = std::min(T, begin + kChunk);
    std::copy_n(kept.begin() + k * N, N, states.begin());
    for (int64_t t = begin; t < end; ++t) {
      Complex* now = states.data() + (t - begin + 1) * N;
      std::copy_n(now - N, N, now);
      ch.step(t, static_cast<double>(x[ch.at(t)]), now);
    }
    for (int64_t t = end - 1; t >= begin; --t) {
      const Complex* before = states.data() + (t - begin) * N;
      backward_token(ch, t, static_cast<double>(x[ch.at(t)]), static_cast<double>(dy[ch.at(t)]), before, before + N,
                     L.data(), g, keys);
    }
  }
  store_state(L, true, g.dS + ch.d * N);
}

// token(t) -> the adjoint signal there; out(t, value) takes the adjoint of x_t.
template <class R, class Signal, class Out>
void adjoint_channel(const ComplexChannel<R>& ch, int64_t T, std::complex<R>* state, const Signal& signal,
                     const Out& out) {
  std::vector<Complex> L = load_state(state, ch.dims.N, true);
  for (int64_t t = T - 1; t >= 0; --t) {
    add_read(ch, t, signal(t), L.data());
    out(t, ch.dt(t) * write_weight(ch, t, L.data()));
    move_back(ch, ch.dt(t), L.data());
  }
  store_state(L, true, state);
}

}  // namespace

template <class R>
void element_complex_forward(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, const R* x,
                             std::complex<R>* S, R* y) {
#pragma omp parallel for schedule(static) if (worth_threads(dims))
  for (int64_t d = 0; d < dims.D; ++d) {
    const ComplexChannel<R> ch{dims, c, d};
    std::vector<Complex> s = load_state(S + d * dims.N, dims.N, false);
    for (int64_t t = 0; t < dims.T; ++t) {
      ch.step(t, static_cast<double>(x[ch.at(t)]), s.data());
      y[ch.at(t)] = static_cast<R>(ch.read(t, s.data()));
    }
    store_state(s, false, S + d * dims.N);
  }
}

template <class R>
void element_complex_backward(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, const R* x,
                              const std::complex<R>* S0, const R* dy, const ElementComplexGrads<R>& g) {
  const int64_t per_group = dims.D / dims.G, pieces = (per_group + kChannelGroup - 1) / kChannelGroup,
                keys = dims.T * dims.N;
  std::vector<Complex> partial(static_cast<size_t>(2 * dims.G * pieces * keys));  // [G, pieces, 2, T, N]
#pragma omp parallel for schedule(static) if (worth_threads(dims))
  for (int64_t p = 0; p < dims.G * pieces; ++p) {
    const int64_t first = p / pieces * per_group, begin = first + p % pieces * kChannelGroup;
    const KeyGrads mine{partial.data() + 2 * p * keys, partial.data() + (2 * p + 1) * keys};
    for (int64_t d = begin; d < std::min(first + per_group, begin + kChannelGroup); ++d) {
      backward_channel(ComplexChannel<R>{dims, c, d}, x, S0, dy, g, mine);
    }
  }
  for (int64_t p = 0; p < dims.G * pieces; ++p) {
    for (int64_t i = 0; i < keys; ++i) {
      const int64_t at = (i / dims.N * dims.G + p / pieces) * dims.N + i % dims.N;
      add_to(g.dB, at, partial[static_cast<size_t>(2 * p * keys + i)]);
      add_to(g.dC, at, partial[static_cast<size_t>((2 * p + 1) * keys + i)]);
    }
  }
}

template <class R>
void element_complex_value_adjoint(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, const R* dy,
                                   std::complex<R>* L, R* dx) {
#pragma omp parallel for schedule(static) if (worth_threads(dims))
  for (int64_t d = 0; d < dims.D; ++d) {
    const ComplexChannel<R> ch{dims, c, d};
    adjoint_channel(
        ch, dims.T, L + d * dims.N, [&](int64_t t) { return static_cast<double>(dy[ch.at(t)]); },
        [&](int64_t t, double value) { dx[ch.at(t)] += static_cast<R>(value); });
  }
}

template <class R>
void element_complex_row(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, int64_t row_token, R* row,
                         std::complex<R>* L) {
  std::fill(L, L + dims.D * dims.N, std::complex<R>(0));
#pragma omp parallel for schedule(static) if (worth_threads(dims))
  for (int64_t d = 0; d < dims.D; ++d) {
    const ComplexChannel<R> ch{dims, c, d};
    adjoint_channel(
        ch, row_token + 1, L + d * dims.N, [&](int64_t t) { return t == row_token ? 1.0 : 0.0; },
        [&](int64_t t, double value) { row[ch.at(t)] = static_cast<R>(value); });
  }
}

#define HS_INSTANTIATE(R)                                                                                          \
  template void element_complex_forward(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R*,       \
                                        std::complex<R>*, R*);                                                     \
  template void element_complex_backward(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R*,      \
                                         const std::complex<R>*, const R*, const ElementComplexGrads<R>&);         \
  template void element_complex_value_adjoint(const ElementComplexDims&, const ElementComplexCoeffs<R>&, const R*, \
                                              std::complex<R>*, R*);                                               \
  template void element_complex_row(const ElementComplexDims&, const ElementComplexCoeffs<R>&, int64_t, R*,        \
                                    std::complex<R>*)
HS_INSTANTIATE(float);
HS_INSTANTIATE(double);

}  // namespace hindscan::kernels::glr
