// Gradients: complex step against the double reference, the float kernels against double.
#include <omp.h>

#include <complex>

#include "kernels/glr/element_reference.h"
#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

template <class R>
struct Gradients {
  std::vector<R> dx, dwrite, ddecay, dA, dB, dC, dS;

  Gradients(const ElementDims& s, const std::vector<R>& final_adjoint, R start)
      : dx(size(s.T * s.D), start),
        dwrite(dx),
        ddecay(dx),
        dA(size(s.D * s.N), start),
        dB(size(s.T * s.N), start),
        dC(dB),
        dS(final_adjoint) {}
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
  ElementGrads<R> view() {
    return {dx.data(), dwrite.data(), ddecay.data(), dA.data(), dB.data(), dC.data(), dS.data()};
  }
};

template <class R>
Gradients<R> gradients(const Problem<R>& p, R start = 0) {
  std::vector<R> final_adjoint(p.S.rbegin(), p.S.rend());  // any values
  Gradients<R> g(p.dims, final_adjoint, start);
  element_backward(p.dims, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(), g.view());
  return g;
}

using Complex = std::complex<double>;

// sum(y dy) + sum(S_final dS) as a function of complex inputs; dS is a constant, the real part of the start state.
Complex loss(Problem<Complex> p) {
  std::vector<Complex> y(p.x.size()), weight(p.S.rbegin(), p.S.rend());
  for (Complex& w : weight) w = w.real();
  reference::forward(p.dims, p.coeffs(), p.x.data(), p.S.data(), y.data());
  Complex sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * p.dy[i];
  for (size_t i = 0; i < weight.size(); ++i) sum += p.S[i] * weight[i];
  return sum;
}

std::vector<double> complex_step(const Problem<double>& p, std::vector<Complex> Problem<Complex>::*input) {
  Problem<Complex> q = p.as<Complex>();
  std::vector<double> gradient;
  for (Complex& value : q.*input) {
    const Complex saved = value;
    value += Complex(0, 1e-30);
    gradient.push_back(loss(q).imag() / 1e-30);
    value = saved;
  }
  return gradient;
}

TEST(ElementBackward, ReferenceMatchesComplexStep) {
  for (const auto& [T, D, N] : {std::array<int64_t, 3>{1, 1, 1}, {9, 3, 4}, {20, 2, 5}}) {
    const Problem<double> p = random_problem(T, D, N).as<double>();
    Gradients<double> g = gradients(p);
    std::vector<double> dt = g.dwrite;
    for (size_t i = 0; i < dt.size(); ++i) dt[i] += g.ddecay[i];
    EXPECT_LE(max_error(g.dx, complex_step(p, &Problem<Complex>::x)), 1e-12);
    EXPECT_LE(max_error(dt, complex_step(p, &Problem<Complex>::dt)), 1e-12);
    EXPECT_LE(max_error(g.dA, complex_step(p, &Problem<Complex>::A)), 1e-12);
    EXPECT_LE(max_error(g.dB, complex_step(p, &Problem<Complex>::B)), 1e-12);
    EXPECT_LE(max_error(g.dC, complex_step(p, &Problem<Complex>::C)), 1e-12);
    EXPECT_LE(max_error(g.dS, complex_step(p, &Problem<Complex>::S)), 1e-12);
  }
}

// The two dt paths apart: the step of the decay and the step of the write as separate inputs.
TEST(ElementBackward, ReferenceSplitsTheTwoPathsOfDt) {
  const Problem<double> p = random_problem(12, 2, 3).as<double>();
  Problem<double> no_decay = p;
  std::fill(no_decay.A.begin(), no_decay.A.end(), 0.0);
  const Gradients<double> g = gradients(no_decay);
  for (double v : g.ddecay) EXPECT_EQ(v, 0.0);
  Problem<double> no_write = p;
  std::fill(no_write.B.begin(), no_write.B.end(), 0.0);
  const Gradients<double> h = gradients(no_write);
  for (double v : h.dwrite) EXPECT_EQ(v, 0.0);
  EXPECT_LE(max_error(g.dwrite, complex_step(no_decay, &Problem<Complex>::dt)), 1e-12);
  EXPECT_LE(max_error(h.ddecay, complex_step(no_write, &Problem<Complex>::dt)), 1e-12);
}

void expect_close(const Gradients<float>& f, const Gradients<double>& r, double tolerance) {
  EXPECT_LE(rms_error(f.dx, r.dx), tolerance) << "dx";
  EXPECT_LE(rms_error(f.dwrite, r.dwrite), tolerance) << "ddt_write";
  EXPECT_LE(rms_error(f.ddecay, r.ddecay), tolerance) << "ddt_decay";
  EXPECT_LE(rms_error(f.dA, r.dA), tolerance) << "dA";
  EXPECT_LE(rms_error(f.dB, r.dB), tolerance) << "dB";
  EXPECT_LE(rms_error(f.dC, r.dC), tolerance) << "dC";
  EXPECT_LE(rms_error(f.dS, r.dS), tolerance) << "dS";
}

class ElementBackwardIsa : public ElementIsa {};

TEST_P(ElementBackwardIsa, MatchesDouble) {
  for (const auto& [T, D, N] : {std::array<int64_t, 3>{0, 3, 2},
                                {1, 1, 1},
                                {17, 7, 4},
                                {40, 16, 16},
                                {15, 33, 17},
                                {33, 150, 3},
                                {1000, 20, 16},
                                {20, 3, 256}}) {
    SCOPED_TRACE(::testing::Message() << "T " << T << " D " << D << " N " << N);
    const Problem<float> p = random_problem(T, D, N);
    expect_close(gradients(p), gradients(p.as<double>()), 1e-5);
  }
}

TEST_P(ElementBackwardIsa, AccumulatesAndTakesNullAndAliasedPointers) {
  const Problem<float> p = random_problem(21, 18, 5);
  const Gradients<float> from_zero = gradients(p), from_one = gradients(p, 1.0f);
  for (size_t i = 0; i < from_zero.dA.size(); ++i) EXPECT_NEAR(from_one.dA[i], from_zero.dA[i] + 1, 1e-5);
  for (size_t i = 0; i < from_zero.dB.size(); ++i) EXPECT_NEAR(from_one.dB[i], from_zero.dB[i] + 1, 1e-5);
  for (size_t i = 0; i < from_zero.dx.size(); ++i) EXPECT_NEAR(from_one.dx[i], from_zero.dx[i] + 1, 1e-5);
  EXPECT_EQ(from_one.dS, from_zero.dS);

  std::vector<float> dS(p.S.rbegin(), p.S.rend()), dt(p.dt.size(), 0.0f);
  ElementGrads<float> few;
  few.ddt_write = few.ddt_decay = dt.data();
  few.dS = dS.data();
  element_backward(p.dims, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(), few);
  EXPECT_EQ(dS, from_zero.dS);
  for (size_t i = 0; i < dt.size(); ++i) EXPECT_NEAR(dt[i], from_zero.dwrite[i] + from_zero.ddecay[i], 1e-5);
}

TEST_P(ElementBackwardIsa, BitEqualForAnyNumberOfThreads) {
  const Problem<float> p = random_problem(70, 300, 16);  // above the size that runs in parallel
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const Gradients<float> one = gradients(p);
  for (int threads : {2, 3}) {
    omp_set_num_threads(threads);
    const Gradients<float> many = gradients(p);
    EXPECT_EQ(one.dx, many.dx);
    EXPECT_EQ(one.dA, many.dA);
    EXPECT_EQ(one.dB, many.dB);
    EXPECT_EQ(one.dC, many.dC);
    EXPECT_EQ(one.dS, many.dS);
  }
  omp_set_num_threads(before);
}

// Two halves, the adjoint of the state handed from the second to the first, equal the whole.
TEST_P(ElementBackwardIsa, SplitsAnywhere) {
  const Problem<float> p = random_problem(50, 17, 6);
  const Gradients<float> whole = gradients(p);
  for (int64_t cut : {1, 16, 23, 49}) {
    const auto [T, D, N] = p.dims;
    Gradients<float> g(p.dims, {p.S.rbegin(), p.S.rend()}, 0.0f);
    std::vector<float> middle = p.S, y(p.x.size());
    element_forward({cut, D, N}, p.coeffs(), p.x.data(), middle.data(), y.data());
    const ElementCoeffs<float> late{p.dt.data() + cut * D, p.A.data(), p.B.data() + cut * N, p.C.data() + cut * N};
    ElementGrads<float> view = g.view();
    view.dx += cut * D, view.ddt_write += cut * D, view.ddt_decay += cut * D, view.dB += cut * N, view.dC += cut * N;
    element_backward({T - cut, D, N}, late, p.x.data() + cut * D, middle.data(), p.dy.data() + cut * D, view);
    element_backward({cut, D, N}, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(), g.view());
    EXPECT_LE(max_error(g.dx, whole.dx), 1e-6);
    EXPECT_LE(max_error(g.dA, whole.dA), 1e-6);
    EXPECT_LE(max_error(g.dB, whole.dB), 1e-6);
    EXPECT_LE(max_error(g.dS, whole.dS), 1e-6);
  }
}

TEST_P(ElementBackwardIsa, NanPropagates) {
  Problem<float> p = random_problem(20, 3, 2);
  p.dt[7 * 3 + 1] = std::numeric_limits<float>::quiet_NaN();
  const Gradients<float> g = gradients(p);
  for (int64_t t = 0; t < 20; ++t) {
    EXPECT_EQ(std::isnan(g.dx[static_cast<size_t>(t * 3 + 1)]), t <= 7) << t;
    EXPECT_FALSE(std::isnan(g.dx[static_cast<size_t>(t * 3)])) << t;
  }
}

HS_INSTANTIATE_ISAS(ElementBackwardIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
