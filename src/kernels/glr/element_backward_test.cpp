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
    EXPECT_TRUE(agree(g.dx, complex_step(p, &Problem<Complex>::x), tol::kF64Recurrence));
    EXPECT_TRUE(agree(dt, complex_step(p, &Problem<Complex>::dt), tol::kF64Recurrence));
    EXPECT_TRUE(agree(g.dA, complex_step(p, &Problem<Complex>::A), tol::kF64Recurrence));
    EXPECT_TRUE(agree(g.dB, complex_step(p, &Problem<Complex>::B), tol::kF64Recurrence));
    EXPECT_TRUE(agree(g.dC, complex_step(p, &Problem<Complex>::C), tol::kF64Recurrence));
    EXPECT_TRUE(agree(g.dS, complex_step(p, &Problem<Complex>::S), tol::kF64Recurrence));
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
  EXPECT_TRUE(agree(g.dwrite, complex_step(no_decay, &Problem<Complex>::dt), tol::kF64Recurrence));
  EXPECT_TRUE(agree(h.ddecay, complex_step(no_write, &Problem<Complex>::dt), tol::kF64Recurrence));
}

void expect_close(const Gradients<float>& f, const Gradients<double>& r, const Tolerance& bar) {
  EXPECT_TRUE(agree(f.dx, r.dx, bar)) << "dx";
  EXPECT_TRUE(agree(f.dwrite, r.dwrite, bar)) << "ddt_write";
  EXPECT_TRUE(agree(f.ddecay, r.ddecay, bar)) << "ddt_decay";
  EXPECT_TRUE(agree(f.dA, r.dA, bar)) << "dA";
  EXPECT_TRUE(agree(f.dB, r.dB, bar)) << "dB";
  EXPECT_TRUE(agree(f.dC, r.dC, bar)) << "dC";
  EXPECT_TRUE(agree(f.dS, r.dS, bar)) << "dS";
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
    expect_close(gradients(p), gradients(p.as<double>()), tol::kF32Backward.or_empty());
  }
}

// Outliers in reads, writes, values, states and what comes back.
TEST_P(ElementBackwardIsa, MatchesDoubleOnHeavyTails) {
  for (const auto& [T, D, N] : {std::array<int64_t, 3>{1, 1, 1}, {17, 7, 4}, {40, 16, 16}, {130, 33, 17}}) {
    for (const Law law : {Law::kLognormal, Law::kCauchy}) {
      SCOPED_TRACE(::testing::Message() << "T " << T << " D " << D << " N " << N << " " << law_name(law));
      Problem<float> p = random_problem(T, D, N);
      for (std::vector<float>* x : {&p.B, &p.C, &p.x, &p.S, &p.dy}) *x = tailed(*x, law);
      const auto in_double = [&](const Arrays& in) {
        Problem<double> near{p.dims, in[0], in[1], in[2], in[3], in[4], in[5], in[6]};
        const Gradients<double> g = gradients(near);
        std::vector<double> y(near.x.size());
        element_forward(near.dims, near.coeffs(), near.x.data(), near.S.data(), y.data());
        return Arrays{y, near.S, g.dx, g.dwrite, g.ddecay, g.dA, g.dB, g.dC, g.dS};
      };
      const Problem<double> e = p.as<double>();
      const Arrays inputs = {e.dt, e.A, e.B, e.C, e.x, e.S, e.dy}, want = in_double(inputs),
                   worth = sensitivity(inputs, in_double);
      const Gradients<float> g = gradients(p);
      std::vector<float> y = poisoned<float>(T * D);
      element_forward(p.dims, p.coeffs(), p.x.data(), p.S.data(), y.data());
      const std::vector<float>* got[] = {&y, &p.S, &g.dx, &g.dwrite, &g.ddecay, &g.dA, &g.dB, &g.dC, &g.dS};
      for (size_t k = 0; k < want.size(); ++k)
        EXPECT_TRUE(agree(*got[k], want[k], worth[k], tol::kF32HeavyOp)) << "output " << k;
    }
  }
}

TEST_P(ElementBackwardIsa, AccumulatesAndTakesNullAndAliasedPointers) {
  const Problem<float> p = random_problem(21, 18, 5);
  const Gradients<float> from_zero = gradients(p), from_one = gradients(p, 1.0f);
  const auto plus_one = [](std::vector<float> x) {
    for (float& value : x) value += 1;
    return x;
  };
  EXPECT_TRUE(agree(from_one.dA, plus_one(from_zero.dA), tol::kF32Accumulated));
  EXPECT_TRUE(agree(from_one.dB, plus_one(from_zero.dB), tol::kF32Accumulated));
  EXPECT_TRUE(agree(from_one.dx, plus_one(from_zero.dx), tol::kF32Accumulated));
  EXPECT_EQ(from_one.dS, from_zero.dS);

  std::vector<float> dS(p.S.rbegin(), p.S.rend()), dt(p.dt.size(), 0.0f);
  ElementGrads<float> few;
  few.ddt_write = few.ddt_decay = dt.data();
  few.dS = dS.data();
  element_backward(p.dims, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(), few);
  EXPECT_EQ(dS, from_zero.dS);
  std::vector<float> both = from_zero.dwrite;
  for (size_t i = 0; i < both.size(); ++i) both[i] += from_zero.ddecay[i];
  EXPECT_TRUE(agree(dt, both, tol::kF32Accumulated));
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
    EXPECT_TRUE(agree(g.dx, whole.dx, tol::kF32Forward));
    EXPECT_TRUE(agree(g.dA, whole.dA, tol::kF32Forward));
    EXPECT_TRUE(agree(g.dB, whole.dB, tol::kF32Forward));
    EXPECT_TRUE(agree(g.dS, whole.dS, tol::kF32Forward));
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
