// One channel of the complex element recurrence, in double.
#pragma once
#include <cmath>
#include <complex>
#include <vector>

#include "kernels/glr/element_complex.h"

namespace hindscan::kernels::glr {

using Complex = std::complex<double>;

// The product without the recovery of infinities that the operator does for every pair.
inline Complex times(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}
inline double real_times(Complex a, Complex b) { return a.real() * b.real() - a.imag() * b.imag(); }

template <class R>
struct ComplexChannel {
  const ElementComplexDims& dims;
  const ElementComplexCoeffs<R>& c;
  int64_t d;

  int64_t at(int64_t t) const { return t * dims.D + d; }
  int64_t key(int64_t t) const { return (t * dims.G + d / (dims.D / dims.G)) * dims.N; }
  double dt(int64_t t) const { return static_cast<double>(c.dt[at(t)]); }
  Complex A(int64_t n) const { return Complex(c.A[d * dims.N + n]); }
  Complex B(int64_t t, int64_t n) const { return Complex(c.B[key(t) + n]); }
  Complex C(int64_t t, int64_t n) const { return Complex(c.C[key(t) + n]); }
  // exp(steps A)
  Complex decay(double steps, int64_t n) const {
    const Complex a = A(n);
    const double size = std::exp(steps * a.real());
    return {size * std::cos(steps * a.imag()), size * std::sin(steps * a.imag())};
  }
  void step(int64_t t, double x, Complex* S) const {
    const double write = dt(t) * x;
    for (int64_t n = 0; n < dims.N; ++n) S[n] = times(decay(dt(t), n), S[n]) + write * B(t, n);
  }
  double read(int64_t t, const Complex* S) const {
    double sum = 0;
    for (int64_t n = 0; n < dims.N; ++n) sum += real_times(C(t, n), S[n]);
    return 2 * sum;
  }
};

// L is the linear form of the state: the change of the result is Re(sum L dS). Adds token t's read, gives the weight of
// x_t / dt_t, then moves L before the token.
template <class R>
void add_read(const ComplexChannel<R>& ch, int64_t t, double dy, Complex* L) {
  for (int64_t n = 0; n < ch.dims.N; ++n) L[n] += 2 * dy * ch.C(t, n);
}
template <class R>
double write_weight(const ComplexChannel<R>& ch, int64_t t, const Complex* L) {
  double sum = 0;
  for (int64_t n = 0; n < ch.dims.N; ++n) sum += real_times(L[n], ch.B(t, n));
  return sum;
}
template <class R>
void move_back(const ComplexChannel<R>& ch, double steps, Complex* L) {
  for (int64_t n = 0; n < ch.dims.N; ++n) L[n] = times(ch.decay(steps, n), L[n]);
}

template <class R>
std::vector<Complex> load_state(const std::complex<R>* from, int64_t N, bool conjugate) {
  std::vector<Complex> s;  // [N]
  for (int64_t n = 0; n < N; ++n) s.push_back(conjugate ? std::conj(Complex(from[n])) : Complex(from[n]));
  return s;
}
template <class R>
void store_state(const std::vector<Complex>& s, bool conjugate, std::complex<R>* to) {
  for (size_t n = 0; n < s.size(); ++n) to[n] = std::complex<R>(conjugate ? std::conj(s[n]) : s[n]);
}

}  // namespace hindscan::kernels::glr
