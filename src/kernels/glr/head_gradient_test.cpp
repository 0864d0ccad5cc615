// Every gradient of the head recurrence against complex steps of its definition.
#include "kernels/glr/head_cases.h"

namespace hindscan::kernels::glr {
namespace {

using Complex = std::complex<double>;

class HeadGradient : public ::testing::TestWithParam<HeadCase> {};
INSTANTIATE_TEST_SUITE_P(, HeadGradient, ::testing::ValuesIn(head_cases()), head_case_name);

std::vector<double> final_adjoint(const HeadProblem<double>& p) { return {p.S.rbegin(), p.S.rend()}; }

// d(<dy, y> + <final, S_end>) / d(every entry of `list` that `stride` picks), by complex steps.
std::vector<double> complex_steps(HeadProblem<Complex> p, std::vector<Complex> HeadProblem<Complex>::*list,
                                  size_t stride) {
  constexpr double kStep = 1e-30;
  std::vector<double> gradient;
  const std::vector<Complex> final(p.S.rbegin(), p.S.rend());
  for (size_t i = 0; i < (p.*list).size(); i += stride) {
    const Complex saved = (p.*list)[i];
    if (std::isinf(saved.real())) {
      gradient.push_back(0);
      continue;
    }
    (p.*list)[i] = Complex(saved.real(), kStep);
    const HeadOutput<Complex> out = brute_force(p);
    double sum = 0;
    for (size_t o = 0; o < out.y.size(); ++o) sum += (p.dy[o] * out.y[o]).imag();
    for (size_t o = 0; o < out.S.size(); ++o) sum += (final[o] * out.S[o]).imag();
    gradient.push_back(sum / kStep);
    (p.*list)[i] = saved;
  }
  return gradient;
}

// Entries of a gradient that were also stepped.
std::vector<double> picked(const std::vector<double>& gradient, size_t stride) {
  std::vector<double> out;
  for (size_t i = 0; i < gradient.size(); i += stride) out.push_back(gradient[i]);
  return out;
}

// exp(-inf + i 0) may be NaN in complex arithmetic; -800 is 0 all the same.
HeadProblem<double> without_infinities(HeadProblem<double> p) {
  for (double& g : p.g) g = std::max(g, -800.0);
  return p;
}

TEST_P(HeadGradient, IsTheDerivative) {
  HeadCase shape = GetParam();
  shape.dims.T = std::min<int64_t>(shape.dims.T, shape.dims.K * shape.dims.V > 200 ? 5 : 35);
  const HeadProblem<double> p = random_head_problem(shape).as<double>();
  const HeadProblem<Complex> complex = without_infinities(p).as<Complex>();
  const HeadGradients<double> got = run_backward(p, final_adjoint(p));
  using P = HeadProblem<Complex>;
  const auto check = [&](const char* name, const std::vector<double>& gradient, std::vector<Complex> P::*list) {
    if (gradient.empty()) return;
    const size_t stride = gradient.size() / 24 | 1;
    EXPECT_TRUE(agree(picked(gradient, stride), complex_steps(complex, list, stride), tol::kF64Recurrence.times(10)))
        << name;
  };
  check("dq", got.dq, &P::q);
  check("dk", got.dk, &P::k);
  check("dv", got.dv, &P::v);
  check("dg", got.dg, &P::g);
  check("ds", got.ds, &P::s);
  check("db", got.db, &P::b);
  check("dc", got.dc, &P::c);
  check("du", got.du, &P::u);
}

// At the end dS is the adjoint of S0; by linearity it is what the value adjoint finds.
TEST_P(HeadGradient, StateAndValuesAgreeWithTheValueAdjoint) {
  const HeadProblem<double> p = random_head_problem(GetParam()).as<double>();
  const HeadGradients<double> got = run_backward(p, final_adjoint(p));
  std::vector<double> dS = final_adjoint(p), dv(p.v.size());
  head_value_adjoint(p.shape.dims, p.coeffs(), p.dy.data(), dS.data(), dv.data());
  EXPECT_TRUE(agree(got.dS, dS, tol::kF64Recurrence.or_empty()));
  EXPECT_TRUE(agree(got.dv, dv, tol::kF64Recurrence.or_empty()));
}

TEST_P(HeadGradient, FloatAgreesWithDouble) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadProblem<double> exact = p.as<double>();
  const HeadGradients<double> want = run_backward(exact, final_adjoint(exact));
  const std::vector<float> final(p.S.rbegin(), p.S.rend());
  for (const Algorithm algorithm : {Algorithm::kAuto, Algorithm::kSequential, Algorithm::kChunked}) {
    const HeadGradients<float> got = run_backward(p, final, algorithm);
    const auto check = [&](const char* name, const std::vector<float>& a, const std::vector<double>& b) {
      EXPECT_TRUE(agree(a, b, tol::kF32Backward.or_empty())) << name << " algorithm " << static_cast<int>(algorithm);
    };
    check("dq", got.dq, want.dq);
    check("dk", got.dk, want.dk);
    check("dv", got.dv, want.dv);
    check("dg", got.dg, want.dg);
    check("ds", got.ds, want.ds);
    check("db", got.db, want.db);
    check("dc", got.dc, want.dc);
    check("du", got.du, want.du);
    check("dS", got.dS, want.dS);
  }
}

// Gradients add to what is there, and what is not wanted may be null.
TEST_P(HeadGradient, AddsAndLeavesOut) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const std::vector<float> final(p.S.rbegin(), p.S.rend());
  const HeadGradients<float> once = run_backward(p, final);
  HeadGradients<float> twice = once;
  twice.dS = final;
  HeadGrads<float> some = twice.pointers();
  some.dq = some.dg = some.db = nullptr;
  head_backward(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), some);
  EXPECT_EQ(twice.dS, once.dS);
  EXPECT_EQ(twice.dq, once.dq);
  EXPECT_EQ(twice.dg, once.dg);
  const auto doubled = [](std::vector<float> x) {
    for (float& value : x) value *= 2;
    return x;
  };
  EXPECT_TRUE(agree(twice.dk, doubled(once.dk), tol::kF32Forward.or_empty()));
  EXPECT_TRUE(agree(twice.dv, doubled(once.dv), tol::kF32Forward.or_empty()));
  EXPECT_TRUE(agree(twice.dc, doubled(once.dc), tol::kF32Forward.or_empty()));
}

}  // namespace
}  // namespace hindscan::kernels::glr
