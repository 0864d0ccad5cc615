// The published case of the official mamba_ssm package with complex states: A complex, B and C packed.
#include "kernels/glr/element_complex.h"
#include "mamba_ssm_cases.h"

namespace hindscan {
namespace {

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// [batch, D, T] of one sequence as [T, D].
template <class R>
std::vector<R> tokens_first(const Tensor& x, int64_t b) {
  const int64_t D = x.shape[1], T = x.shape[2];
  std::vector<R> out;
  for (int64_t t = 0; t < T; ++t) {
    for (const R v : x.strided<R>(b * D * T + t, T, D)) out.push_back(v);
  }
  return out;
}
template <class R>
void channels_first(const std::vector<R>& from, int64_t D, int64_t T, int64_t b, std::vector<R>& to) {
  for (int64_t i = 0; i < T * D; ++i)
    to[static_cast<size_t>((b * D + i % D) * T + i / D)] = from[static_cast<size_t>(i)];
}

// Packed B and C [batch, N, 2 T]: the real and imaginary part of a token side by side.
template <class R>
std::vector<std::complex<R>> unpacked(const Tensor& x, int64_t b) {
  const int64_t N = x.shape[1], T = x.shape[2] / 2;
  std::vector<std::complex<R>> out;  // [T, 1, N]
  for (int64_t i = 0; i < T * N; ++i) {
    const size_t at = static_cast<size_t>((b * N + i % N) * 2 * T + 2 * (i / N));
    out.emplace_back(static_cast<R>(x.values[at]), static_cast<R>(x.values[at + 1]));
  }
  return out;
}
template <class R>
void packed(const std::vector<std::complex<R>>& from, int64_t N, int64_t T, int64_t b, std::vector<R>& to) {
  for (int64_t i = 0; i < T * N; ++i) {
    const size_t at = static_cast<size_t>((b * N + i % N) * 2 * T + 2 * (i / N));
    to[at] = from[static_cast<size_t>(i)].real(), to[at + 1] = from[static_cast<size_t>(i)].imag();
  }
}

TYPED_TEST(MambaSsmCases, SelectiveScanWithComplexStates) {
  using R = TypeParam;
  const Case c = this->load("selective_scan", "complex_A_packed_BC");
  const Tensor &u = c.at("u"), &A = c.at("A");
  const int64_t batch = u.shape[0], D = u.shape[1], T = u.shape[2], N = A.shape[1];
  std::vector<std::complex<R>> rates, dA(static_cast<size_t>(D * N));
  for (size_t i = 0; i < A.values.size(); ++i)
    rates.emplace_back(static_cast<R>(A.values[i]), static_cast<R>(A.imaginary[i]));
  std::vector<R> y = poison<R>(u.values.size()), du = y, ddelta = y, gB = poison<R>(c.at("B").values.size()), gC = gB;
  for (int64_t b = 0; b < batch; ++b) {
    const std::vector<R> x = tokens_first<R>(u, b), dt = tokens_first<R>(c.at("delta"), b), ones(x.size(), R(1));
    const std::vector<std::complex<R>> B = unpacked<R>(c.at("B"), b), C = unpacked<R>(c.at("C"), b),
                                       zero(static_cast<size_t>(D * N));
    std::vector<std::complex<R>> S = zero, dB(B.size()), dC(B.size()), dS = zero;
    std::vector<R> out = poison<R>(x.size()), dx(x.size(), R(0)), ddt = dx;
    const kernels::glr::ElementComplexDims dims{T, D, N, 1};
    const kernels::glr::ElementComplexCoeffs<R> coeffs{dt.data(), rates.data(), B.data(), C.data()};
    kernels::glr::element_complex_forward(dims, coeffs, x.data(), S.data(), out.data());
    kernels::glr::element_complex_backward(
        dims, coeffs, x.data(), zero.data(), ones.data(),
        {dx.data(), ddt.data(), ddt.data(), dA.data(), dB.data(), dC.data(), dS.data()});
    channels_first(out, D, T, b, y), channels_first(dx, D, T, b, du), channels_first(ddt, D, T, b, ddelta);
    packed(dB, N, T, b, gB), packed(dC, N, T, b, gC);
  }
  expect_close(y, c.at("out.y"), "y");
  expect_close(du, c.at("grad.u"), "u");
  expect_close(ddelta, c.at("grad.delta"), "delta");
  expect_close(gB, c.at("grad.B"), "B");
  expect_close(gC, c.at("grad.C"), "C");
  const Tensor& wanted = c.at("grad.A");
  std::vector<R> re, im;
  for (const std::complex<R> z : dA) re.push_back(z.real()), im.push_back(z.imag());
  expect_close(re, wanted, "re A");
  expect_close(im, Tensor{wanted.shape, wanted.imaginary, {}}, "im A");
}

}  // namespace
}  // namespace hindscan
