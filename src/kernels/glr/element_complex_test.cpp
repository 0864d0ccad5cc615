// The complex element recurrence against the formula of alpha and central differences, with groups of B and C.
#include "kernels/glr/element_complex.h"

#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

template <class R>
struct ComplexProblem {
  ElementComplexDims dims;
  std::vector<R> dt, x, dy;
  std::vector<std::complex<R>> A, B, C, S;

  ElementComplexCoeffs<R> coeffs() const { return {dt.data(), A.data(), B.data(), C.data()}; }
  template <class Q>
  ComplexProblem<Q> as() const {
    const auto cast = [](const std::vector<R>& v) { return std::vector<Q>(v.begin(), v.end()); };
    const auto cast2 = [](const std::vector<std::complex<R>>& v) {
      return std::vector<std::complex<Q>>(v.begin(), v.end());
    };
    return {dims, cast(dt), cast(x), cast(dy), cast2(A), cast2(B), cast2(C), cast2(S)};
  }
};

ComplexProblem<float> random_complex(ElementComplexDims dims, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  ComplexProblem<float> p{dims, {}, {}, {}, {}, {}, {}, {}};
  for (int64_t i = 0; i < dims.T * dims.D; ++i) {
    p.dt.push_back(unit(rng) < 0.02f ? 30.0f : 1e-3f * std::pow(1000.0f, unit(rng)));
    p.x.push_back(normal(rng)), p.dy.push_back(normal(rng));
  }
  const auto fill = [&](std::vector<std::complex<float>>& v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) v.emplace_back(normal(rng), normal(rng));
  };
  for (int64_t i = 0; i < dims.D * dims.N; ++i)
    p.A.emplace_back(-0.5f * unit(rng), 3.1415927f * static_cast<float>(i % dims.N));
  fill(p.B, dims.T * dims.G * dims.N), fill(p.C, dims.T * dims.G * dims.N), fill(p.S, dims.D * dims.N);
  return p;
}

constexpr ElementComplexDims kSizes[] = {{0, 2, 3, 1}, {1, 1, 1, 1}, {17, 6, 4, 2}, {70, 3, 5, 3}, {66, 40, 2, 1}};

using Wide = std::complex<long double>;

// 2 Re sum_n C_t exp(A steps) right_n, the steps of tokens first .. t.
template <class R, class Right>
double response(const ComplexProblem<R>& p, int64_t d, int64_t t, int64_t first, const Right& right) {
  const auto& [T, D, N, G] = p.dims;
  long double steps = 0, sum = 0;
  for (int64_t k = first; k <= t; ++k) steps += static_cast<long double>(p.dt[static_cast<size_t>(k * D + d)]);
  for (int64_t n = 0; n < N; ++n) {
    const Wide A(p.A[static_cast<size_t>(d * N + n)]), C(p.C[static_cast<size_t>((t * G + d / (D / G)) * N + n)]);
    sum += 2 * (C * std::exp(A * steps) * right(n)).real();
  }
  return static_cast<double>(sum);
}
template <class R>
double alpha(const ComplexProblem<R>& p, int64_t d, int64_t t, int64_t j) {
  const auto& [T, D, N, G] = p.dims;
  if (j > t) return 0;
  return response(p, d, t, j + 1, [&, n_ = N, g = G, w = D](int64_t n) {
    return Wide(p.B[static_cast<size_t>((j * g + d / (w / g)) * n_ + n)]) *
           static_cast<long double>(p.dt[static_cast<size_t>(j * w + d)]);
  });
}
template <class R>
double carried(const ComplexProblem<R>& p, int64_t d, int64_t t) {
  return response(p, d, t, 0, [&](int64_t n) { return Wide(p.S[static_cast<size_t>(d * p.dims.N + n)]); });
}

template <class R>
void check_complex(const ComplexProblem<R>& p, const Tolerance& bar) {
  const int64_t T = p.dims.T, D = p.dims.D, N = p.dims.N;
  std::vector<double> y(static_cast<size_t>(T * D)), dx(y.size()), want;
  std::vector<double> map(static_cast<size_t>(D * T * T));
  for (int64_t d = 0; d < D; ++d) {
    for (int64_t t = 0; t < T; ++t) {
      y[static_cast<size_t>(t * D + d)] += carried(p, d, t);
      for (int64_t j = 0; j <= t; ++j) {
        const double a = map[static_cast<size_t>((d * T + t) * T + j)] = alpha(p, d, t, j);
        y[static_cast<size_t>(t * D + d)] += a * static_cast<double>(p.x[static_cast<size_t>(j * D + d)]);
        dx[static_cast<size_t>(j * D + d)] += a * static_cast<double>(p.dy[static_cast<size_t>(t * D + d)]);
      }
    }
  }
  std::vector<R> out = poisoned<R>(T * D), back(y.size(), R(0));
  std::vector<std::complex<R>> S = p.S, L(p.S.size());
  element_complex_forward(p.dims, p.coeffs(), p.x.data(), S.data(), out.data());
  EXPECT_TRUE(agree(out, y, bar));
  element_complex_value_adjoint(p.dims, p.coeffs(), p.dy.data(), L.data(), back.data());
  EXPECT_TRUE(agree(back, dx, bar));
  if (T == 0) return;

  const int64_t t = T - 1;
  std::vector<R> row = poisoned<R>((t + 1) * D);
  element_complex_row(p.dims, p.coeffs(), t, row.data(), L.data());
  std::vector<double> from_state;
  std::vector<double> state_want;
  for (int64_t j = 0; j <= t; ++j) {
    for (int64_t d = 0; d < D; ++d) want.push_back(map[static_cast<size_t>((d * T + t) * T + j)]);
  }
  EXPECT_TRUE(agree(row, want, bar));
  for (int64_t d = 0; d < D; ++d) {  // gradients are d/d(re) + i d/d(im)
    double sum = 0;
    for (int64_t n = 0; n < N; ++n) {
      const auto l = L[static_cast<size_t>(d * N + n)], s = p.S[static_cast<size_t>(d * N + n)];
      sum += static_cast<double>(l.real() * s.real() + l.imag() * s.imag());
    }
    from_state.push_back(sum), state_want.push_back(carried(p, d, t));
  }
  EXPECT_TRUE(agree(from_state, state_want, bar));

  for (const auto& [rows, cols] : {std::pair{Range{0, T}, Range{0, T}},
                                   {Range{T / 2, T}, Range{0, T / 3}},
                                   {Range{T / 3, T}, Range{T / 4, T - T / 4}}}) {
    for (const ElementMap kind :
         {ElementMap::kChannel, ElementMap::kMean, ElementMap::kMeanAbs, ElementMap::kMeanPositive}) {
      std::vector<double> cells;
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        for (int64_t j = cols.begin; j < cols.end; ++j) {
          double sum = 0;
          for (int64_t d = 0; d < D; ++d) {
            const double a = map[static_cast<size_t>((d * T + i) * T + j)], part = 1.0 / static_cast<double>(D);
            if (kind == ElementMap::kChannel) sum += d == D - 1 ? a : 0;
            if (kind == ElementMap::kMean) sum += a * part;
            if (kind == ElementMap::kMeanAbs) sum += std::abs(a) * part;
            if (kind == ElementMap::kMeanPositive) sum += std::max(a, 0.0) * part;
          }
          cells.push_back(sum);
        }
      }
      std::vector<R> tile = poisoned<R>(static_cast<int64_t>(cells.size()));
      element_complex_tile(p.dims, p.coeffs(), kind, D - 1, rows, cols, tile.data());
      EXPECT_TRUE(agree(tile, cells, bar));
    }
  }
  const std::vector<int64_t> edges = {0, T / 4, T / 4, T / 2, T};
  for (const int64_t channel : {int64_t{-1}, int64_t{0}}) {
    std::vector<double> sums(16);
    for (size_t i = 0; i < 16; ++i) {
      for (int64_t a = edges[i / 4]; a < edges[i / 4 + 1]; ++a) {
        for (int64_t b = edges[i % 4]; b < edges[i % 4 + 1]; ++b) {
          for (int64_t d = 0; d < (channel < 0 ? D : 1); ++d) {
            sums[i] += map[static_cast<size_t>((d * T + a) * T + b)] / static_cast<double>(channel < 0 ? D : 1);
          }
        }
      }
    }
    std::vector<R> blocks = poisoned<R>(16);
    element_complex_block_sums(p.dims, p.coeffs(), channel, edges.data(), 4, blocks.data());
    EXPECT_TRUE(agree(blocks, sums, bar));
  }
}

TEST(ElementComplex, EqualsTheFormula) {
  for (const ElementComplexDims& dims : kSizes) {
    SCOPED_TRACE(::testing::Message() << "T " << dims.T << " D " << dims.D << " N " << dims.N << " G " << dims.G);
    check_complex(random_complex(dims).as<double>(), tol::kF64Recurrence.or_empty());
    check_complex(random_complex(dims), tol::kF32Forward.or_empty());
  }
}

template <class R>
struct ComplexGradients {
  std::vector<R> dx, write, decay;
  std::vector<std::complex<R>> dA, dB, dC, dS;
};

template <class R>
ComplexGradients<R> backward(const ComplexProblem<R>& p) {
  const std::vector<R> zero(p.x.size(), R(0));
  ComplexGradients<R> g{zero, zero, zero, {}, {}, {}, p.S};
  g.dA.resize(p.A.size()), g.dB.resize(p.B.size()), g.dC.resize(p.C.size());
  element_complex_backward(p.dims, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(),
                           ElementComplexGrads<R>{g.dx.data(), g.write.data(), g.decay.data(), g.dA.data(), g.dB.data(),
                                                  g.dC.data(), g.dS.data()});
  return g;
}

// sum y dy + Re(conj(S0) S_T): the adjoint of the final state is the start state.
double objective(const ComplexProblem<double>& p, const std::vector<std::complex<double>>& last_adjoint) {
  std::vector<double> y(p.x.size());
  std::vector<std::complex<double>> S = p.S;
  element_complex_forward(p.dims, p.coeffs(), p.x.data(), S.data(), y.data());
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * p.dy[i];
  for (size_t i = 0; i < S.size(); ++i) sum += (std::conj(last_adjoint[i]) * S[i]).real();
  return sum;
}

void check_central_differences(const ElementComplexDims& dims) {
  ComplexProblem<double> p = random_complex(dims, 5).as<double>();
  for (double& dt : p.dt) dt = std::min(dt, 2.0);
  const ComplexGradients<double> g = backward(p);
  const std::vector<std::complex<double>> last = p.S;
  const double h = 1e-5;
  const auto difference = [&](double& at) {
    const double kept = at;
    at = kept + h;
    const double up = objective(p, last);
    at = kept - h;
    const double down = objective(p, last);
    at = kept;
    return (up - down) / (2 * h);
  };
  const auto reals = [&](std::vector<double>& input, const std::vector<double>& grad) {
    std::vector<double> want;
    want.reserve(input.size());
    for (double& at : input) want.push_back(difference(at));
    EXPECT_TRUE(agree(grad, want, tol::kSecondDifference));
  };
  const auto complexes = [&](std::vector<std::complex<double>>& input, const std::vector<std::complex<double>>& grad) {
    std::vector<double> want, found;
    for (size_t i = 0; i < input.size(); ++i) {
      double parts[2] = {input[i].real(), input[i].imag()};
      for (double& part : parts) {
        const double kept = part;
        part = kept + h, input[i] = {parts[0], parts[1]};
        const double up = objective(p, last);
        part = kept - h, input[i] = {parts[0], parts[1]};
        want.push_back((up - objective(p, last)) / (2 * h));
        part = kept, input[i] = {parts[0], parts[1]};
      }
      found.push_back(grad[i].real()), found.push_back(grad[i].imag());
    }
    EXPECT_TRUE(agree(found, want, tol::kSecondDifference));
  };
  std::vector<double> ddt;
  for (size_t i = 0; i < g.write.size(); ++i) ddt.push_back(g.write[i] + g.decay[i]);
  reals(p.x, g.dx), reals(p.dt, ddt);
  complexes(p.A, g.dA), complexes(p.B, g.dB), complexes(p.C, g.dC), complexes(p.S, g.dS);
}

// The second has states kept at the starts of chunks of 64 tokens.
TEST(ElementComplex, GradientsEqualCentralDifferences) {
  for (const ElementComplexDims& dims : {ElementComplexDims{7, 4, 3, 2}, {70, 2, 1, 1}})
    check_central_differences(dims);
}

TEST(ElementComplex, FloatGradientsMatchDouble) {
  const ComplexProblem<float> p = random_complex({130, 70, 4, 2});
  const ComplexGradients<float> f = backward(p);
  const ComplexGradients<double> d = backward(p.as<double>());
  const auto parts = [](const auto& v) {
    std::vector<double> out;
    for (const auto& z : v) out.push_back(static_cast<double>(z.real())), out.push_back(static_cast<double>(z.imag()));
    return out;
  };
  EXPECT_TRUE(agree(f.dx, d.dx, tol::kF32Forward));
  EXPECT_TRUE(agree(f.write, d.write, tol::kF32Forward));
  EXPECT_TRUE(agree(f.decay, d.decay, tol::kF32Forward));
  EXPECT_TRUE(agree(parts(f.dA), parts(d.dA), tol::kF32Forward));
  EXPECT_TRUE(agree(parts(f.dB), parts(d.dB), tol::kF32Forward));
  EXPECT_TRUE(agree(parts(f.dC), parts(d.dC), tol::kF32Forward));
  EXPECT_TRUE(agree(parts(f.dS), parts(d.dS), tol::kF32Forward));
}

}  // namespace
}  // namespace hindscan::kernels::glr
